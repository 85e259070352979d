# Packed IP for Vivado, after csynth.tcl:  vitis_hls -f export.tcl
# RMSMP_HLS_EXPORT_FLOW=syn or impl also runs Vivado and reports its figures.
source [file join [file dirname [file normalize [info script]]] steps.tcl]
source [file join $rmsmp::root project.tcl]

run_step export {
    set flow [rmsmp::environment RMSMP_HLS_EXPORT_FLOW]
    if {$flow ni {"" syn impl}} {
        error "RMSMP_HLS_EXPORT_FLOW is '$flow'; it may be syn or impl, or be unset"
    }
    rmsmp::open_design 0
    if {$flow eq ""} {
        export_design -rtl verilog -format ip_catalog
    } else {
        export_design -flow $flow -rtl verilog -format ip_catalog
    }
}
exit 0
