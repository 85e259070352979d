"""A slow, obvious simulator: one cycle at a time, FIFOs that count, loops as hls_cpp has them.

It shares with the fast one only the machine's figures and the decoded program.
"""

from __future__ import annotations

from collections.abc import Iterator

from rmsmp_hls.hw.cycles import LOOP_OVERHEAD_CYCLES, address_words
from rmsmp_hls.pack.program import MatmulFlags, MoveFlags, Opcode, Program, Record, VectorFlags
from rmsmp_hls.timing.machine import FRACTION, Machine
from tests.timing.slow_memory import Burst, Fifo, Port

Want = tuple[str, ...]
"""Ends that a process needs in a cycle; none where it only counts."""


class Simulation:
    """All processes and channels; `run` steps them until all have ended."""

    def __init__(self, program: Program, machine: Machine, images: int) -> None:
        self.program, self.machine, self.images = program, machine, images
        self.array = machine.array
        depth = machine.fifo_depths
        self.fifos = {
            "ops": Fifo(depth["ops"]),
            "weight_segments": Fifo(depth["segments"]),
            "param_segments": Fifo(depth["segments"]),
            "input_words": Fifo(depth["counts"]),
            "output_words": Fifo(depth["counts"]),
            "weights": Fifo(depth["weights"]),
            "params": Fifo(depth["params"]),
            "input": Fifo(depth["inputs"]),
            "output": Fifo(depth["outputs"]),
        }
        self.ports = {}
        for name in ("program", "weights", "params", "input", "spill"):
            self.ports[name] = Port(machine.ports[name], machine.ports[name].reads, True)
        for name, of in (("output", "output"), ("saved", "spill")):
            self.ports[name] = Port(machine.ports[of], machine.ports[of].writes, False)
        self.cycle = 0
        self.image_ends: list[int] = []
        self.records: list[tuple[int, int, int]] = []  # start, end, iterations
        self.blocks: list[list[int]] = []
        self.queue: list[Burst] = []
        self.ddr_free = 0

    # What a process may want: "<fifo", ">fifo", "[port" (read), "]port" (write), "=port" (answered)

    def ready(self, want: str) -> bool:
        kind, name = want[0], want[1:]
        if kind == "<":
            return self.fifos[name].can_read()
        if kind == ">":
            return self.fifos[name].can_write()
        port = self.ports[name]
        if kind == "[":
            return bool(port.arrivals) and port.arrivals[0] <= self.cycle * FRACTION
        if kind == "]":
            return port.open > 0 or port.used < port.outstanding
        return port.used == 0

    def do(self, want: str) -> None:
        kind, name = want[0], want[1:]
        if kind == "<":
            self.fifos[name].taken += 1
        elif kind == ">":
            self.fifos[name].put += 1
        elif kind == "[":
            port = self.ports[name]
            port.arrivals.pop(0)
            port.in_burst[0] -= 1
            if port.in_burst[0] == 0:
                port.in_burst.pop(0)
                port.freed += 1
        elif kind == "]":
            port = self.ports[name]
            if port.open == 0:
                port.used += 1
                port.open = port.size = port.cut()
            port.open -= 1
            if port.open == 0:
                port.newly_full.append(port.size)

    def serve(self) -> None:
        """The DDR takes bursts in order, as soon as it is free within this cycle."""
        while self.queue and self.ddr_free < (self.cycle + 1) * FRACTION:
            burst = self.queue.pop(0)
            port, timing, machine = burst.port, burst.port.timing, self.machine
            start = max(self.ddr_free, burst.issued * FRACTION)
            self.ddr_free = start + burst.words * timing.word_bytes * machine.byte_time
            word = max(timing.interval * FRACTION, timing.word_bytes * machine.byte_time)
            port.bursts += 1
            port.bytes += burst.words * timing.word_bytes
            if port.reads:
                at = max(start + machine.latency * FRACTION, port.line_free)
                for _ in range(burst.words):
                    at += word
                    port.arrivals.append(at)
            else:
                at = max(start, port.line_free) + burst.words * word
                port.responses.append(-(-at // FRACTION) + machine.latency)
            port.line_free = at

    def run(self, limit: int = 1_000_000) -> None:
        bodies = {
            "LoadProgram": self.load_program(),
            "LoadWeights": self.load_segments("weights", "weight_segments"),
            "LoadParams": self.load_segments("params", "param_segments"),
            "LoadInput": self.load_input(),
            "Compute": self.compute(),
            "StoreOutput": self.store_output(),
        }
        wants: dict[str, Want | None] = dict.fromkeys(bodies)
        self.ends: dict[str, int] = {}
        self.stalls: dict[str, dict[str, int]] = {name: {} for name in bodies}
        since: dict[str, dict[str, int]] = {name: {} for name in bodies}
        began: dict[str, int] = {}
        while len(self.ends) < len(bodies):
            assert self.cycle < limit, "the slow simulation does not end"
            for port in self.ports.values():
                answered = [c for c in port.responses if c <= self.cycle]
                port.responses = [c for c in port.responses if c > self.cycle]
                port.used -= len(answered)
            for name, body in bodies.items():
                if name in self.ends:
                    continue
                if wants[name] is None:
                    wants[name] = next(body, None)
                    if wants[name] is None:
                        self.ends[name] = self.cycle
                        continue
                    since[name], began[name] = {}, self.cycle
                needed = wants[name]
                assert needed is not None
                for want in needed:
                    if self.ready(want):
                        since[name].setdefault(want, self.cycle)
                if len(since[name]) == len(needed):
                    for want in needed:
                        self.do(want)
                    waited = self.cycle - began[name]
                    if waited:
                        last = max(needed, key=lambda w, n=name: since[n][w])
                        found = self.stalls[name]
                        found[last] = found.get(last, 0) + waited
                    wants[name] = None
            for port in self.ports.values():
                port.issue(self.cycle, self.queue)
            self.serve()
            for port in self.ports.values():
                port.used -= port.freed
                port.freed = 0
                port.full += port.newly_full
                port.newly_full = []
            for fifo in self.fifos.values():
                fifo.end_cycle()
            self.cycle += 1

    def request(self, port: str, first: int, words: int) -> None:
        if words:
            self.ports[port].requests.append((first, words))

    # The processes; every `yield` is one cycle, and what follows it is at the next one's beginning.

    def exit(self) -> Iterator[Want]:
        for _ in range(LOOP_OVERHEAD_CYCLES):
            yield ()

    def load_program(self) -> Iterator[Want]:
        for _ in range(self.images):
            self.request("program", 0, 8)
            for _ in range(8):
                yield ("[program",)
            yield from self.exit()
            for name in ("input_words", "output_words", "weight_segments", "param_segments", "ops"):
                yield (f">{name}",)
            weight_at = 8 + 40 * len(self.program.records)
            param_at = weight_at + 3 * len(self.program.weight_segments)
            record_at = 8
            for record in self.program.records:
                self.request("program", record_at, 40)
                record_at += 40
                for _ in range(40):
                    yield ("[program",)
                yield from self.exit()
                matmul = record.opcode is Opcode.MATMUL
                table = (
                    record.opcode is Opcode.VECTOR and (record["flags"] & VectorFlags.TABLE) != 0
                )
                if matmul:
                    self.request("program", weight_at, 3)
                    weight_at += 3
                    for _ in range(3):
                        yield ("[program", ">weight_segments")
                    yield from self.exit()
                if matmul or table:
                    self.request("program", param_at, 3)
                    param_at += 3
                    for _ in range(3):
                        yield ("[program", ">param_segments")
                    yield from self.exit()
                for _ in range(40):
                    yield (">ops",)
                yield from self.exit()

    def load_segments(self, name: str, numbers: str) -> Iterator[Want]:
        program = self.program
        segments = program.weight_segments if name == "weights" else program.param_segments
        for _ in range(self.images):
            yield (f"<{numbers}",)
            for segment in segments:
                for _ in range(3):
                    yield (f"<{numbers}",)
                for _ in range(segment.repeats):
                    self.request(name, segment.offset, segment.words)
                    for _ in range(segment.words):
                        yield (f"[{name}", f">{name}")
                    yield from self.exit()

    def load_input(self) -> Iterator[Want]:
        length = self.program.input_words // 4
        for image in range(self.images):
            yield ("<input_words",)
            self.request("input", image * length, length)
            for _ in range(length):
                yield ("[input", ">input")
            yield from self.exit()

    def store_output(self) -> Iterator[Want]:
        length = self.program.output_words
        for image in range(self.images):
            yield ("<output_words",)
            self.request("output", image * length, length)
            for _ in range(length):
                yield ("<output", "]output")
            yield ("=output",)
            self.image_ends.append(self.cycle)
            yield from self.exit()

    def compute(self) -> Iterator[Want]:
        start = 0
        for _ in range(self.images):
            yield ("<ops",)
            for record in self.program.records:
                for _ in range(40):
                    yield ("<ops",)
                yield from self.exit()
                self.iterations = 0
                self.blocks.append([])
                yield from self.operation(record)
                self.records.append((start, self.cycle, self.iterations))
                start = self.cycle

    def pipeline(self, iterations: list[tuple[Want, Want]]) -> Iterator[Want]:
        """Read in the first stage, write in the last; (reads, writes) of every iteration."""
        depth = self.machine.depth
        self.iterations += len(iterations)
        for tick in range(len(iterations) + depth - 1):
            reads = iterations[tick][0] if tick < len(iterations) else ()
            writes = iterations[tick - depth + 1][1] if tick >= depth - 1 else ()
            yield tuple(sorted(reads + writes, key=lambda want: want[1:]))

    def operation(self, record: Record) -> Iterator[Want]:
        if record.opcode is Opcode.MATMUL:
            yield from self.matmul(record)
        elif record.opcode is Opcode.VECTOR:
            yield from self.vector(record)
        elif record.opcode is Opcode.LOAD:
            yield from self.load(record)
        elif record.opcode is Opcode.STORE:
            words = []
            for _ in range(record["height"] * record["width"] * record["chunks"]):
                for plane in range(record["planes"]):
                    words.append(((), (">output",) if plane + 1 == record["planes"] else ()))
            yield from self.pipeline(words)
        else:
            words = record["runs"] * record["run"] * address_words(self.array)
            saves = record.opcode is Opcode.SAVE
            self.request("saved" if saves else "spill", record["offset"], words)
            one: tuple[Want, Want] = ((), ("]saved",)) if saves else (("[spill",), ())
            yield from self.pipeline([one] * words)
        if record.opcode is not Opcode.MATMUL:
            yield from self.exit()
        if record.opcode is Opcode.SAVE:
            yield ("=saved",)

    def load(self, record: Record) -> Iterator[Want]:
        planes, folded = record["planes"], bool(record["flags"] & MoveFlags.FOLDED)
        line, step = record["width"] * record["chunks"], 1
        columns = list(range(line))
        if folded:
            for _ in range(self.array.banks):
                yield ()
            yield from self.exit()
            line, step = record["width"], record["fold_columns"]
            begin = -record["fold_left"] // step * step
            columns = list(range(begin, record["width"] + record["fold_right"], step))
        words = []
        for _ in range(record["height"]):
            for x in columns:
                for plane in range(planes):
                    takes = 0 <= x < line and x % 4 == 0 and plane == 0
                    words.append((("<input",) if takes else (), ()))
        yield from self.pipeline(words)

    def vector(self, record: Record) -> Iterator[Want]:
        if record["flags"] & VectorFlags.TABLE:
            for _ in range(16):
                self.iterations += 1
                yield ("<params",)
            yield from self.exit()
        binary = record["flags"] & VectorFlags.BINARY
        taps = 2 if binary else record["kernel_h"] * record["kernel_w"]
        work = [
            ((), ())
            for _ in range(record["destination_height"] * record["destination_width"])
            for _ in range(record["blocks"] * (self.array.channels // self.array.vector_lanes))
            for _ in range(taps * record["tap_planes"])
        ]
        yield from self.pipeline([*work, ((), ())])

    def matmul(self, record: Record) -> Iterator[Want]:
        """The block loop of hls_cpp/rmsmp/matmul.hpp, cycle for cycle."""
        array = self.array
        for _ in range(array.pixels):
            yield ()
        yield from self.exit()
        words, logits = array.weight_beats, bool(record["flags"] & MatmulFlags.LOGITS)
        blocks = record["pixel_tiles"] * record["row_tiles"]
        groups_left, groups_before, row_tile = record["groups"], 0, 0
        for block in range(blocks + 1):
            computes, last = block < blocks, block + 1 == blocks
            groups = min(groups_left, record["groups_per_tile"]) if computes else 0
            step_length = max(groups, words, array.min_step)
            drain_length = 0
            if block > 0:
                drain_length = groups_before * (array.rows // array.drain_rows) * record["repeat"]
            length = 0
            if computes:
                length = record["steps"] * step_length + (words if block == 0 else 0)
                length = max(length, array.rows)
            length = max(length, drain_length)
            prologue, in_step = block == 0, 0
            steps_left = record["steps"] if computes else 0
            cycles: list[tuple[Want, Want]] = []
            for t in range(length):
                running = computes and (prologue or steps_left > 0)
                loading = (
                    running and in_step < words and (prologue or not (last and steps_left == 1))
                )
                step_ends = running and in_step + 1 == (words if prologue else step_length)
                reads: Want = ()
                if loading:
                    reads += ("<weights",)
                if computes and t < array.rows:
                    reads += ("<params",)
                cycles.append((reads, (">output",) if logits and t < drain_length else ()))
                in_step = 0 if step_ends else in_step + 1
                if step_ends and not prologue:
                    steps_left -= 1
                prologue = prologue and not step_ends
            if computes:
                self.blocks[-1].append(self.cycle)
            yield from self.pipeline(cycles)
            yield from self.exit()
            groups_before = groups
            tile_done = row_tile + 1 == record["row_tiles"]
            row_tile = 0 if tile_done else row_tile + 1
            groups_left -= groups if tile_done else 0
        if record["flags"] & MatmulFlags.ARGMAX:
            yield (">output",)
