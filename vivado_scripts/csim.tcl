# C simulation by the vendor's compiler:  vitis_hls -f csim.tcl
source [file join [file dirname [file normalize [info script]]] steps.tcl]
source [file join $rmsmp::root project.tcl]

run_step csim {
    rmsmp::open_design 0
    csim_design -clean -argv [rmsmp::testbench_arguments]
}
exit 0
