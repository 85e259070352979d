# A stand-in for the HLS tools: exactly the documented commands and options of one generation.
#
#   tclsh fake_hls.tcl GENERATION SCRIPT
#
# Prints "call<TAB>command<TAB>argument..." per call. An unknown command, option or value, or a
# call in the wrong state, is a Tcl error, as in the tools. FAKE_HLS_FAIL=command makes one fail.
#
# Sources: UG902 (2020.1) for Vivado HLS; UG1399 of 2020.2, 2022.2 and 2024.1/2024.2 for the rest.

lassign $argv generation script
# The scripts look for the tool in these; the tests set the one they mean.
if {$generation ni {vivado_hls-2020.1 vitis_hls-2020.2 vitis_hls-2022.2 vitis_hls-2023.2 unified-2024.2}} {
    error "unknown generation $generation"
}
lassign [split $generation -] dialect version

# option -> kind: flag (no value), value (next word), bool (bare, =true or =false)
set documented [dict create \
    open_project {-reset flag} \
    set_top {} set_part {} close_project {} csynth_design {} \
    create_clock {-period value -name value} \
    set_clock_uncertainty {} \
    add_files {-tb flag -cflags value -csimflags value -blackbox flag} \
    csim_design {-argv value -clean flag -O flag -setup flag -ldflags value} \
    cosim_design {-rtl value -trace_level value -argv value -setup flag -O flag -ldflags value} \
    export_design {-format value -rtl value -flow value -version value -description value} \
    config_dataflow {-default_channel value -fifo_depth value -strict_mode value} \
]
if {$dialect eq "vivado_hls"} {
    dict set documented open_solution {-reset flag}
    dict set documented set_part {-tool value}
    dict set documented config_compile {
        -pipeline_loops value -name_max_length value -no_signed_zeros flag
        -unsafe_math_optimizations flag}
    dict set documented config_interface {
        -m_axi_addr64 flag -m_axi_offset value -clock_enable flag -expose_global flag
        -register_io value -trim_dangling_port flag}
    dict set documented config_rtl {-reset value -reset_async flag -reset_level value}
    dict set documented config_array_partition {
        -maximum_size value -auto_partition_threshold value -auto_promotion_threshold value
        -include_extern_globals flag -include_ports flag -scalarize_all flag
        -throughput_driven flag}
    dict set documented config_schedule {-effort value -verbose flag -relax_ii_for_timing flag}
} else {
    dict set documented open_solution {-reset flag -flow_target value}
    dict set documented config_compile {
        -pipeline_loops value -pipeline_style value -name_max_length value
        -enable_auto_rewind bool -ignore_long_run_time bool -no_signed_zeros bool
        -unsafe_math_optimizations bool}
    dict set documented config_interface {
        -m_axi_addr64 bool -m_axi_latency value -m_axi_alignment_byte_size value
        -m_axi_auto_max_ports bool -m_axi_max_widen_bitwidth value -m_axi_offset value
        -default_slave_interface value -register_io value -s_axilite_data64 bool
        -clock_enable bool}
    dict set documented config_rtl {
        -reset value -reset_async bool -reset_level value -register_reset_num value
        -module_auto_prefix bool -module_prefix value}
    dict set documented config_schedule {-enable_dsp_full_reg bool -relax_ii_for_timing bool}
    dict set documented config_storage {-impl value -auto_srl_max_bits value}
    if {$version eq "2020.2"} {
        dict set documented config_array_partition {
            -auto_partition_threshold value -auto_promotion_threshold value}
    } elseif {$version eq "2022.2"} {
        dict set documented config_array_partition {-complete_threshold value}
    } else {
        dict set documented config_array_partition {
            -complete_threshold value -throughput_driven value}
    }
}
if {$dialect eq "unified"} {
    dict set documented open_component {-reset flag -flow_target value}
    dict unset documented open_project
    dict unset documented open_solution
}
# Values that the manuals list; anything goes for other options.
set values [dict create \
    -flow_target {vivado vitis} -pipeline_style {stp flp frp} -strict_mode {off warning error} \
    -reset {none control state all} -rtl {verilog vhdl} -trace_level {none port all} \
    -format {ip_catalog xo syn_dcp sysgen} -flow {none syn impl} \
    -default_slave_interface {none s_axilite} -throughput_driven {auto off}]
set positional [dict create \
    open_project 1 open_solution 1 open_component 1 set_top 1 set_part 1 \
    set_clock_uncertainty {1 2} add_files 1 config_storage {0 1}]
set state none

proc fake_check {command arguments} {
    global documented values positional
    set options [dict get $documented $command]
    set words {}
    for {set i 0} {$i < [llength $arguments]} {incr i} {
        set word [lindex $arguments $i]
        if {![string match -* $word]} { lappend words $word; continue }
        set assigned [regexp {^(-[a-z_A-Z0-9]+)=(.*)$} $word -> option value]
        if {!$assigned} { set option $word }
        if {![dict exists $options $option]} { error "$command: unknown option '$word'" }
        switch [dict get $options $option] {
            flag { if {$assigned} { error "$command: $option takes no value" } }
            bool {
                if {$assigned && $value ni {true false}} { error "$command: bad value in $word" }
            }
            value {
                if {!$assigned} {
                    incr i
                    if {$i >= [llength $arguments]} { error "$command: $option needs a value" }
                    set value [lindex $arguments $i]
                }
                if {[dict exists $values $option] && $value ni [dict get $values $option]} {
                    error "$command: $option cannot be '$value'"
                }
            }
        }
    }
    set allowed [expr {[dict exists $positional $command] ? [dict get $positional $command] : 0}]
    if {[llength $words] ni $allowed} {
        error "$command: [llength $words] arguments ([join $words]), takes $allowed"
    }
}

# The order that the tools insist on: project, then solution, then settings and steps.
proc fake_state {command} {
    global state
    switch -glob $command {
        open_project { set state project }
        open_solution {
            if {$state ne "project"} { error "open_solution: no project is open" }
            set state solution
        }
        open_component { set state solution }
        set_top - add_files {
            if {$state eq "none"} { error "$command: no project is open" }
        }
        default {
            if {$state ne "solution"} { error "$command: no solution is open" }
        }
    }
}

foreach command [dict keys $documented] {
    proc $command {args} [string map [list @ $command] {
        puts "call\t[join [linsert $args 0 @] \t]"
        fake_check @ $args
        fake_state @
        if {[info exists ::env(FAKE_HLS_FAIL)] && $::env(FAKE_HLS_FAIL) eq "@"} {
            error "ERROR: \[HLS 200-70\] '@' failed\nas asked"
        }
    }]
}
source $script
