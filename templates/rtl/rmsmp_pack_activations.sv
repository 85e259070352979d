// (a1 << F) + a0 as an 18-bit operand: once per pair of pixels and input, for all rows.
`timescale 1ns / 1ps
module rmsmp_pack_activations #(
    parameter FIELD = 11
) (
    input  wire [3:0]  a0,
    input  wire [3:0]  a1,
    output wire [17:0] b
);
  wire [4:0] top = {a1[3], a1} - {4'd0, a0[3]};
  assign b = {{(13 - FIELD + 1) {top[4]}}, top[3:0], {(FIELD - 4) {a0[3]}}, a0};
endmodule
