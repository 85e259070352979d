# Shared by the step scripts: one step = one script = one run of the tool.
#
# Runs in Vivado HLS (2019.2, 2020.1), Vitis HLS (2020.2 .. 2023.2) and the unified Vitis
# (2024.1 on, `vitis-run --mode hls --tcl`). Settings come from project.tcl, nothing else
# is generated. A reader of the log needs only the lines that start with "rmsmp-".
#
# Environment: RMSMP_HLS_DIALECT (vivado_hls | vitis_hls | unified) and RMSMP_HLS_VERSION
# (such as 2022.2) replace what is found out below, should it be wrong.

namespace eval rmsmp {
    # The folder of this project: the one that holds this script.
    variable root [file dirname [file normalize [info script]]]
    variable settings [dict create]
}

# Run `body` as the step `name`; report its outcome; leave the tool with 1 if it fails.
proc run_step {name body} {
    puts "rmsmp-step: $name start"
    set started [clock milliseconds]
    if {[catch {uplevel #0 $body} message options]} {
        puts "rmsmp-error: $name: [rmsmp::one_line $message]"
        if {[dict exists $options -errorinfo]} {
            puts [dict get $options -errorinfo]
        }
        flush stdout
        exit 1
    }
    set seconds [expr {([clock milliseconds] - $started) / 1000.0}]
    puts "rmsmp-step: $name ok [format %.3f $seconds]"
    flush stdout
}

proc rmsmp::one_line {text} {
    return [string trim [regsub -all {[[:cntrl:]]+} $text " "]]
}

# Return one setting of project.tcl; a missing one is an error that names it.
proc rmsmp::setting {name} {
    variable settings
    if {![dict exists $settings $name]} {
        error "project.tcl does not say $name: run rmsmp-hls build again"
    }
    return [dict get $settings $name]
}

proc rmsmp::environment {name} {
    return [expr {[info exists ::env($name)] ? $::env($name) : ""}]
}

# Folders in which the tool's name and version can be read, most reliable first.
proc rmsmp::tool_paths {} {
    set paths [list [info nameofexecutable]]
    foreach name {XILINX_HLS XILINX_VITIS XILINX_VIVADO} {
        lappend paths [environment $name]
    }
    return $paths
}

# Return vivado_hls, vitis_hls or unified.
proc rmsmp::dialect {} {
    set told [environment RMSMP_HLS_DIALECT]
    if {$told ne ""} {
        if {$told ni {vivado_hls vitis_hls unified}} {
            error "RMSMP_HLS_DIALECT is '$told'; it may be vivado_hls, vitis_hls or unified"
        }
        return $told
    }
    # Only the unified Vitis has components. config_storage came with Vitis HLS.
    if {[llength [info commands ::open_component]]} { return unified }
    foreach path [tool_paths] {
        if {[string match -nocase *vivado_hls* $path]} { return vivado_hls }
        if {[string match -nocase *vitis_hls* $path]} { return vitis_hls }
    }
    return [expr {[llength [info commands ::config_storage]] ? "vitis_hls" : "vivado_hls"}]
}

# Return the version as year * 10 + release, 20222 for 2022.2; 0 if it cannot be found out.
proc rmsmp::version {} {
    foreach text [linsert [tool_paths] 0 [environment RMSMP_HLS_VERSION]] {
        if {[regexp {(20\d\d)\.(\d)} $text -> year release]} { return $year$release }
    }
    return 0
}

# Paths reach the compiler and the testbench inside option strings that the tools split at
# blanks, so they must not hold any character with a meaning there.
proc rmsmp::safe_root {} {
    variable root
    if {![regexp {^[A-Za-z0-9_./:+\-]+$} $root]} {
        error "the path of the project holds blanks or special characters: move it elsewhere"
    }
    return $root
}

# Arguments of the testbench: the folder of the vectors, then `extra`.
proc rmsmp::testbench_arguments {args} {
    return [join [linsert $args 0 [safe_root]/data] " "]
}

# Open the design with every setting. `reset` is 1 to drop earlier results of this design.
proc rmsmp::open_design {reset} {
    set root [safe_root]
    cd $root
    set dialect [dialect]
    puts "rmsmp-tool: $dialect [version]"
    set fresh [expr {$reset ? "-reset" : ""}]
    if {$dialect eq "unified"} {
        open_component {*}$fresh hls_component -flow_target vivado
        add_sources $root $dialect
    } else {
        open_project hls_project
        add_sources $root $dialect
        # Vivado HLS has no flow target; it only makes IP.
        set target [expr {$dialect eq "vitis_hls" ? {-flow_target vivado} : ""}]
        open_solution {*}$fresh solution {*}$target
    }
    set_part [setting part]
    create_clock -period [setting clock_period_ns] -name default
    # In ns: a percentage is understood by Vitis HLS only. Its default is 27 % there, 12.5 %
    # in Vivado HLS.
    set_clock_uncertainty [setting clock_uncertainty_ns]
    configure_$dialect
}

# Sources. The headers of sim/ are for g++ only: the tools have their own hls_stream.h.
proc rmsmp::add_sources {root dialect} {
    # The sources are C++11; C++14 is the newest that Vitis HLS documents for synthesis, and
    # Vivado HLS refuses what is newer than C++11.
    set standard [expr {$dialect eq "vivado_hls" ? "c++11" : "c++14"}]
    set flags "-std=$standard -I$root/src"
    set_top [setting top]
    add_files $root/src/top.cpp -cflags $flags
    # RTL black boxes, where `rmsmp-hls lanes --black-boxes` wrote some.
    if {$dialect ne "vivado_hls" && [file exists $root/rtl/black_boxes.tcl]} {
        source $root/rtl/black_boxes.tcl
    }
    add_files -tb $root/testbench/testbench.cpp -cflags "$flags -I$root/testbench"
}

# Defaults that change speed or size differ between releases: all of them are set here.
proc rmsmp::configure_vivado_hls {} {
    config_compile -pipeline_loops 0
    config_rtl -reset control
    # Not canonical dataflow regions run one process after the other: say so in the log.
    config_dataflow -strict_mode warning
    # 1024 elements is the limit of a complete partition otherwise (XFORM 203-103).
    config_array_partition -maximum_size 4096
    # A flag here, off unless given.
    if {[setting m_axi_addr64]} { config_interface -m_axi_addr64 }
}

proc rmsmp::configure_vitis_hls {} {
    # Loops are pipelined where the source says so. stp: the pipelines of this design feed
    # forward only, so that none has to be flushed to let another go on.
    config_compile -pipeline_loops 0 -pipeline_style stp
    config_rtl -reset control -register_reset_num 0
    config_dataflow -strict_mode warning
    config_schedule -enable_dsp_full_reg=true
    # The ports are full words already: no widening, which would rely on the alignment.
    config_interface -m_axi_addr64=[expr {[setting m_axi_addr64] ? "true" : "false"}] \
        -m_axi_latency 32 -m_axi_max_widen_bitwidth 0 -default_slave_interface s_axilite
    # Documented from 2023.1: memories must not be split behind our back.
    if {[version] >= 20231} {
        config_array_partition -throughput_driven off
    }
}

proc rmsmp::configure_unified {} {
    configure_vitis_hls
}
