// sum = a + b + c + carry0 + carry1 modulo 2^WIDTH, one LUT6_2 per bit.
//
// O5 of a bit is the majority of its three operand bits: the carry-save bit of the next one. O6 is
// the sum of the three and of the carry-save bit from below; it drives the carry chain, whose
// other operand is that carry-save bit. Inverted operand bits (INVERT_*) cost nothing; neither
// does the gate of operand a (GATED: a counts 0 while `clear`), the sixth input.
`timescale 1ns / 1ps
module rmsmp_ternary_adder #(
    parameter WIDTH = 8,
    parameter [WIDTH-1:0] INVERT_A = 0,
    parameter [WIDTH-1:0] INVERT_B = 0,
    parameter [WIDTH-1:0] INVERT_C = 0,
    parameter GATED = 0,
    parameter ULTRASCALE = 0
) (
    input  wire [WIDTH-1:0] a,
    input  wire [WIDTH-1:0] b,
    input  wire [WIDTH-1:0] c,
    input  wire             clear,
    input  wire             carry0,
    input  wire             carry1,
    output wire [WIDTH-1:0] sum
);
  // I0 = a, I1 = b, I2 = c, I3 = carry-save bit from below, I4 = clear, I5 = 1.
  function [63:0] table_of(input invert_a, input invert_b, input invert_c);
    integer row;
    reg x, y, z;
    begin
      table_of = 64'd0;
      for (row = 0; row < 32; row = row + 1) begin
        x = row[0] ^ invert_a;
        y = row[1] ^ invert_b;
        z = row[2] ^ invert_c;
        if (GATED != 0 && row[4]) x = 1'b0;
        table_of[row] = (x & y) | (x & z) | (y & z);
        table_of[row+32] = x ^ y ^ z ^ row[3];
      end
    end
  endfunction

  wire [WIDTH:0] saved;
  wire [WIDTH-1:0] propagate;
  assign saved[0] = carry0;

  genvar i;
  generate
    for (i = 0; i < WIDTH; i = i + 1) begin : bits
      LUT6_2 #(.INIT(table_of(INVERT_A[i], INVERT_B[i], INVERT_C[i]))) lut (
          .I0(a[i]), .I1(b[i]), .I2(c[i]), .I3(saved[i]),
          .I4(GATED != 0 ? clear : 1'b0), .I5(1'b1), .O5(saved[i+1]), .O6(propagate[i]));
    end
  endgenerate
  rmsmp_carry #(.WIDTH(WIDTH), .ULTRASCALE(ULTRASCALE)) chain (
      .s(propagate), .di(saved[WIDTH-1:0]), .ci(carry1), .o(sum));
endmodule
