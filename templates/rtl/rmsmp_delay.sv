// `in` some cycles later; 0 cycles are a wire.
`timescale 1ns / 1ps
module rmsmp_delay #(
    parameter WIDTH = 1,
    parameter CYCLES = 1
) (
    input  wire             ap_clk,
    input  wire             ap_ce,
    input  wire [WIDTH-1:0] in,
    output wire [WIDTH-1:0] out
);
  generate
    if (CYCLES == 0) begin : none
      assign out = in;
    end else begin : some
      reg [WIDTH*CYCLES-1:0] line;
      assign out = line[WIDTH*CYCLES-1-:WIDTH];
      always @(posedge ap_clk) if (ap_ce) line <= {line, in};
    end
  endgenerate
endmodule
