# Synthesis to RTL:  vitis_hls -f csynth.tcl
source [file join [file dirname [file normalize [info script]]] steps.tcl]
source [file join $rmsmp::root project.tcl]

run_step csynth {
    # Reset, so that a failed synthesis leaves no older report behind.
    rmsmp::open_design 1
    csynth_design
}
exit 0
