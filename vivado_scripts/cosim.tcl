# Simulation of the synthesized RTL, after csynth.tcl:  vitis_hls -f cosim.tcl
source [file join [file dirname [file normalize [info script]]] steps.tcl]
source [file join $rmsmp::root project.tcl]

run_step cosim {
    rmsmp::open_design 0
    # One image: RTL simulation is slow, and the ports' depths are those of one image.
    cosim_design -rtl verilog -trace_level none \
        -argv [rmsmp::testbench_arguments --images 1 --batch 1]
}
exit 0
