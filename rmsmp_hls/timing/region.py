"""The dataflow region: FIFOs and ports of the top function (hls_cpp/rmsmp/accelerator.hpp)."""

from __future__ import annotations

from rmsmp_hls.timing.loops import RECORD_STREAM
from rmsmp_hls.timing.machine import Machine
from rmsmp_hls.timing.memory import Answered, Ddr, ReadPort, WritePort
from rmsmp_hls.timing.tokens import Awake, End, Fifo

_FIFOS = {
    "ops": ("ops", "LoadProgram", "Compute"),
    "weight_segments": ("segments", "LoadProgram", "LoadWeights"),
    "param_segments": ("segments", "LoadProgram", "LoadParams"),
    "input_words": ("counts", "LoadProgram", "LoadInput"),
    "output_words": ("counts", "LoadProgram", "StoreOutput"),
    "weights": ("weights", "LoadWeights", "Compute"),
    "params": ("params", "LoadParams", "Compute"),
    "input": ("inputs", "LoadInput", "Compute"),
    "output": ("outputs", "Compute", "StoreOutput"),
}
"""FIFO -> the depth of the generated config that it has, who writes, who reads."""
_READS = {
    "program": "LoadProgram",
    "weights": "LoadWeights",
    "params": "LoadParams",
    "input": "LoadInput",
    "spill": "Compute",
}
"""Reading port -> its process."""


class Region:
    """All channels between the processes and to memory.

    Attributes:
        fifos: by name.
        reads: reading ports by name, in the order of service.
        output, spill: writing ports.
        ddr: the memory behind all ports.
        awake: the processes that may go on.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        depths, ports = machine.fifo_depths, machine.ports
        self.awake = awake = Awake()
        self.fifos = {
            name: Fifo(name, depths[of], source, sink, awake)
            for name, (of, source, sink) in _FIFOS.items()
        }
        self.reads = {
            name: ReadPort(name, ports[name], owner, awake) for name, owner in _READS.items()
        }
        self.output = WritePort("output", ports["output"], "StoreOutput", awake)
        self.spill = WritePort("spill", ports["spill"], "Compute", awake)
        self.ddr = Ddr(machine, (*self.reads.values(), self.output, self.spill))

    def compute_ends(self) -> dict[str, End]:
        """Return the ends of Compute by the stream names of `timing.loops`; causes are CAUSES."""
        fifos = self.fifos
        return {
            RECORD_STREAM: fifos["ops"].reader("record"),
            "weights": fifos["weights"].reader("weights"),
            "params": fifos["params"].reader("params"),
            "input": fifos["input"].reader("input"),
            "output": fifos["output"].writer("output"),
            "spill_read": self.reads["spill"],
            "spill_write": self.spill,
        }

    def spill_answered(self) -> End:
        """Return the end that waits until all that was saved lies in DRAM."""
        return Answered(self.spill)
