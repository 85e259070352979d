// Drives all table loaders of an array: one 16-cycle reload per `start`, and the banks.
//
// `start` for one cycle: the 16 cycles after it write the idle bank, the codes must stand still
// from the first of them to the last. `swap` for one cycle, with the first activations of the
// tile: the bank just loaded computes from that cycle on. A reload may start with the swap.
`timescale 1ns / 1ps
module rmsmp_table_sequencer (
    input  wire       ap_clk,
    input  wire       ap_rst,
    input  wire       ap_ce,
    input  wire       start,
    input  wire       swap,
    output wire       bank,           // for activations of this very cycle
    output wire [1:0] select,
    output wire       subtract,
    output wire       clear,
    output wire       write,
    output wire [4:0] write_address,
    output wire       busy
);
  reg [3:0] count;
  reg running, active;
  wire [3:0] gray = count ^ {1'b0, count[3:1]};
  // The next Gray word differs in the lowest bit that is 0 in count.
  assign select = !count[0] ? 2'd0 : !count[1] ? 2'd1 : !count[2] ? 2'd2 : 2'd3;
  assign subtract = gray[select];
  assign clear = !running;
  assign write = running & ap_ce;
  assign bank = active ^ swap;
  assign write_address = {~active, gray};
  assign busy = running;
  always @(posedge ap_clk)
    if (ap_rst) begin
      count <= 4'd0;
      running <= 1'b0;
      active <= 1'b0;
    end else if (ap_ce) begin
      if (swap) active <= ~active;
      if (start) running <= 1'b1;
      else if (count == 4'd15) running <= 1'b0;
      count <= running ? count + 4'd1 : 4'd0;
    end
endmodule
