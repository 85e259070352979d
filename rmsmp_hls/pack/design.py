"""The packed design: everything that the accelerator and its host need, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.hw.array import ArrayShape

PROGRAM = "program.bin"
TRACE = "program_trace.bin"
WEIGHTS = "weights.bin"
PARAMS = "params.bin"
BLOBS = (PROGRAM, TRACE, WEIGHTS, PARAMS)


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The network's input: shape, format (`narrow`: signed codes are symmetric), 32-bit words
    per image."""

    name: str
    channels: int
    height: int
    width: int
    bits: int
    signed: bool
    scale: float
    words: int
    narrow: bool = True


@dataclass(frozen=True, slots=True)
class OutputEntry:
    """One tensor in the output of one image; offset and length in 32-bit words.

    Attributes:
        tensor: its name.
        offset, words: where it lies; an argmax word is not counted in `words`.
        channels, height, width: shape.
        signed: whether the codes are two's complement (logits always are).
        slots: of codes the byte of every channel in a pixel; empty: channel c in byte c.
        logits: for logits the channel of every word, -1 for none; else empty.
        argmax: whether the top-1 channel follows in one more word.
    """

    tensor: str
    offset: int
    words: int
    channels: int
    height: int
    width: int
    signed: bool
    logits: tuple[int, ...] = ()
    argmax: bool = False
    slots: tuple[int, ...] = ()

    @property
    def byte_slots(self) -> tuple[int, ...]:
        """Byte of every channel in a pixel of a stored tensor."""
        return self.slots or tuple(range(self.channels))

    @property
    def chunks(self) -> int:
        """Words of four codes that hold a pixel of a stored tensor."""
        return max(self.byte_slots) // 4 + 1


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """One program: words of output per image, exact iterations of every operation.

    Attributes:
        file: name of its blob.
        output_words: 32-bit words per image.
        iterations: (operation number, operation of the graph, loop iterations) of every record
            in order; an operation that runs in strips has several.
        outputs: what lies where in the output.
    """

    file: str
    output_words: int
    iterations: tuple[tuple[int, str, int], ...]
    outputs: tuple[OutputEntry, ...]


@dataclass(frozen=True, slots=True)
class OpSummary:
    """One operation of the deployed program, for readers.

    Attributes:
        name: tensor; of a copy that the schedule adds, a name of its own.
        opcode: LOAD, MATMUL, VECTOR, STORE, or SAVE or RESTORE where nothing is computed.
        module: path in the trained model, "" if there is none.
        scale: value of output code 1; 0.0 for logits.
        rows: (row format, number of rows), by name.
        row_order: output channel of every lane of every row tile, -1 for none.
        row_tiles, pixel_tiles: how a MATMUL is cut, else 0.
    """

    name: str
    opcode: str
    module: str
    scale: float
    rows: tuple[tuple[str, int], ...] = ()
    row_order: tuple[int, ...] = ()
    row_tiles: int = 0
    pixel_tiles: int = 0


@dataclass(frozen=True, slots=True)
class PackedDesign:
    """A packed design; docs/packed-design.md says what its files look like.

    Attributes:
        array: the array it runs on.
        input: the network's input.
        programs: the deployed program, then the trace program.
        ops: the operations of the deployed program.
        blobs: (file name, bytes), in the order of `BLOBS`.
        spill_words: words of the spill port that the programs use, the largest.
    """

    array: ArrayShape
    input: InputSpec
    programs: tuple[ProgramSpec, ...]
    ops: tuple[OpSummary, ...]
    blobs: tuple[tuple[str, bytes], ...]
    spill_words: int = 0

    def blob(self, name: str) -> bytes:
        """Return the bytes of one blob; KeyError if there is none of that name."""
        return dict(self.blobs)[name]

    def program(self, name: str = PROGRAM) -> ProgramSpec:
        """Return one program; KeyError if there is none of that name."""
        return {program.file: program for program in self.programs}[name]
