"""Run a program on a machine and count."""

from __future__ import annotations

from rmsmp_hls.errors import ArtefactError, ConfigError
from rmsmp_hls.pack.design import PROGRAM, PackedDesign, ProgramSpec
from rmsmp_hls.pack.program import Program, decode_program
from rmsmp_hls.timing.compute import RecordTime, compute
from rmsmp_hls.timing.machine import FRACTION, Machine
from rmsmp_hls.timing.process import Process
from rmsmp_hls.timing.region import Region
from rmsmp_hls.timing.result import CycleCount, FifoUse, OpCycles, PortUse, ProcessUse
from rmsmp_hls.timing.transfers import load_input, load_program, load_segments, store_output


def simulate_design(
    design: PackedDesign, machine: Machine, images: int = 1, program: str = PROGRAM
) -> CycleCount:
    """Simulate one of a design's programs for `images` images, one behind the other.

    Raises:
        ConfigError: no image. ArtefactError: the program is damaged or waits forever.
    """
    decoded = decode_program(design.blob(program), program)
    return simulate_program(decoded, machine, images, design.program(program))


def simulate_program(
    program: Program, machine: Machine, images: int, spec: ProgramSpec
) -> CycleCount:
    """Simulate a decoded program; `spec` only names its operations."""
    if images < 1:
        raise ConfigError(f"{images} images cannot be simulated", fix="give 1 or more")
    region = Region(machine)
    names = ("LoadProgram", "LoadWeights", "LoadParams", "LoadInput", "Compute", "StoreOutput")
    processes = {name: Process(name) for name in names}
    records: list[RecordTime] = []
    image_ends: list[int] = []
    runs = {
        "LoadProgram": load_program(processes["LoadProgram"], region, program, images),
        "LoadInput": load_input(processes["LoadInput"], region, program.input_words, images),
        "Compute": compute(processes["Compute"], region, program, images, records),
        "StoreOutput": store_output(
            processes["StoreOutput"], region, program.output_words, images, image_ends
        ),
    }
    for name, stream, numbers, segments in (
        ("LoadWeights", "weights", "weight_segments", program.weight_segments),
        ("LoadParams", "params", "param_segments", program.param_segments),
    ):
        fifos = region.fifos[numbers], region.fifos[stream]
        runs[name] = load_segments(processes[name], region.reads[stream], *fifos, segments, images)
    for name, process in processes.items():
        process.start(runs[name])
    _run(processes, region, spec.file)
    return CycleCount(
        cycles=max(process.now for process in processes.values()),
        image_ends=tuple(image_ends),
        ops=tuple(_named(record, program, spec) for record in records),
        fifos=_fifos(region),
        ports=_ports(region),
        processes=tuple(
            ProcessUse(p.name, p.now, tuple(sorted(p.stalls.items()))) for p in processes.values()
        ),
        ddr_busy=region.ddr.busy / FRACTION,
    )


def _run(processes: dict[str, Process], region: Region, where: str) -> None:
    """Let every process go as far as it can, then the memory, until all have ended."""
    awake = region.awake.names
    awake.update(processes)
    while awake:
        while awake:
            processes[awake.pop()].advance()
        region.ddr.serve()
    stuck = [f"{p.name} for {p.waits_for}" for p in processes.values() if not p.finished]
    if stuck:
        raise ArtefactError(
            f"the program waits forever: {', '.join(stuck)}",
            where=where,
            fix="pack the design again (rmsmp-hls build --from schedule)",
        )


def _named(time: RecordTime, program: Program, spec: ProgramSpec) -> OpCycles:
    operation, name, _ = spec.iterations[time.record]
    return OpCycles(
        image=time.image,
        record=time.record,
        operation=operation,
        name=name,
        opcode=program.records[time.record].opcode.name,
        start=time.start,
        end=time.end,
        iterations=time.iterations,
        fill=time.fill,
        fetch=time.fetch,
        stalls=time.stalls,
        blocks=time.blocks,
        steps=time.steps,
        busy=time.busy,
    )


def _fifos(region: Region) -> tuple[FifoUse, ...]:
    for fifo in region.fifos.values():
        fifo.measure(finished=True)
    return tuple(FifoUse(f.name, f.depth, f.high_water, f.words) for f in region.fifos.values())


def _ports(region: Region) -> tuple[PortUse, ...]:
    named = {
        **{name: port for name, port in region.reads.items() if name != "spill"},
        "output": region.output,
        "spill, read": region.reads["spill"],
        "spill, written": region.spill,
    }
    return tuple(PortUse(name, port.bursts, port.bytes) for name, port in named.items())
