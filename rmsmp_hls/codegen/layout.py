"""What lies where in the accelerator's output, down to the single element."""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.pack.design import PROGRAM, TRACE, OutputEntry, PackedDesign, ProgramSpec

_FULL_WORD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Position:
    """Where an element lies in its tensor; `channel` is -1 for the top-1 index."""

    channel: int
    y: int
    x: int


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """One tensor in the output of a program; offsets and sizes in 32-bit words of one image.

    Attributes:
        name: the tensor's name in the graph. Foreign text: never part of a generated file.
        offset: its first word.
        words: its words, with the top-1 index if there is one.
        channels, height, width: shape; logits are (C, 1, 1).
        signed: whether the codes of a stored tensor are signed.
        logits: of logits the channel in each word, -1 for none; empty for stored codes.
        argmax: logits only: the last word is the top-1 index.
        slots: of stored codes the byte of every channel in a pixel; empty: channel c in byte c.
    """

    name: str
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
        """Byte of every channel in a pixel of stored codes."""
        return self.slots or tuple(range(self.channels))

    @property
    def chunks(self) -> int:
        """Words of four codes that hold a pixel of stored codes."""
        return max(self.byte_slots) // 4 + 1

    @property
    def element_bits(self) -> int:
        """8 for stored codes, 32 for logits."""
        return 32 if self.logits else 8

    @property
    def masks(self) -> tuple[int, ...]:
        """Bits of word w that mean something: masks[w % len(masks)].

        Bytes and lanes without a channel hold nothing of use.
        """
        if self.logits:
            lanes = tuple(_FULL_WORD if channel >= 0 else 0 for channel in self.logits)
            return (*lanes, _FULL_WORD) if self.argmax else lanes
        masks = [0] * self.chunks
        for slot in self.byte_slots:
            masks[slot // 4] |= 0xFF << (8 * (slot % 4))
        return tuple(masks)

    @property
    def elements(self) -> int:
        """Elements of one image, the top-1 index included."""
        if self.logits:
            return sum(channel >= 0 for channel in self.logits) + self.argmax
        return self.channels * self.height * self.width

    def position(self, word: int, byte: int) -> Position:
        """Return which element byte `byte` (0 is lowest) of word `word` belongs to."""
        if self.logits:
            index = -1 if word >= len(self.logits) else self.logits[word]
            return Position(index, 0, 0)
        pixel, chunk = divmod(word, self.chunks)
        y, x = divmod(pixel, self.width)
        return Position(self.byte_slots.index(4 * chunk + byte), y, x)

    def value(self, word: int, byte: int) -> int:
        """Return the integer that the element at `byte` of the word's content stands for."""
        if self.logits:
            return word - (1 << 32) if word >> 31 else word
        code = (word >> (8 * byte)) & 0xFF
        return code - 256 if self.signed and code >= 128 else code


@dataclass(frozen=True, slots=True)
class ProgramLayout:
    """One program: its output words per image, tensors, and predicted loop iterations.

    `iterations` holds (tensor name, iterations per image) of each operation in order.
    """

    output_words: int
    tensors: tuple[OutputTensor, ...]
    iterations: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class DesignLayout:
    """Input words per image and both programs.

    `deployed_in_trace[i]` is the number of the trace program's tensor that the deployed
    program's tensor i must equal.
    """

    input_words: int
    trace: ProgramLayout
    deployed: ProgramLayout
    deployed_in_trace: tuple[int, ...]


def read_layout(design: PackedDesign) -> DesignLayout:
    """Return the layout of a packed design.

    Raises:
        ArtefactError: the design contradicts itself.
    """
    try:
        trace, deployed = _program(design.program(TRACE)), _program(design.program(PROGRAM))
        names = [tensor.name for tensor in trace.tensors]
        pairs = tuple(names.index(tensor.name) for tensor in deployed.tensors)
        for tensor, index in zip(deployed.tensors, pairs, strict=True):
            if tensor.masks != trace.tensors[index].masks:
                raise ValueError(f"the two programs disagree about tensor {tensor.name!r}")
    except (KeyError, ValueError) as error:
        raise ArtefactError(
            f"the packed design contradicts itself: {error}",
            where="packed design",
            fix="pack the design again",
        ) from error
    return DesignLayout(design.input.words, trace, deployed, pairs)


def _program(spec: ProgramSpec) -> ProgramLayout:
    tensors = tuple(_tensor(entry) for entry in spec.outputs)
    if any(tensor.offset + tensor.words > spec.output_words for tensor in tensors):
        raise ValueError(f"a tensor of {spec.file} passes the end of the output")
    iterations = tuple((tensor, count) for _, tensor, count in spec.iterations)
    return ProgramLayout(spec.output_words, tensors, iterations)


def _tensor(entry: OutputEntry) -> OutputTensor:
    logits = bool(entry.logits)
    tensor = OutputTensor(
        name=entry.tensor,
        offset=entry.offset,
        words=entry.words + entry.argmax,
        channels=entry.channels,
        height=1 if logits else entry.height,
        width=1 if logits else entry.width,
        signed=entry.signed,
        logits=entry.logits,
        argmax=entry.argmax,
        slots=entry.slots,
    )
    expected = len(tensor.masks) * (1 if logits else tensor.height * tensor.width)
    if tensor.words != expected or tensor.offset < 0:
        raise ValueError(f"tensor {tensor.name!r} has {tensor.words} words, not {expected}")
    return tensor
