"""The row lanes as SystemVerilog: planned here, written by templates/rtl, measured by yosys."""
