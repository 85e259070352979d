// A carry chain of the slice: o = s ^ carries, the carry out of a bit is s ? carry in : di.
`timescale 1ns / 1ps
module rmsmp_carry #(
    parameter WIDTH = 8,
    parameter ULTRASCALE = 0  // 1: CARRY8, 0: CARRY4
) (
    input  wire [WIDTH-1:0] s,
    input  wire [WIDTH-1:0] di,
    input  wire             ci,
    output wire [WIDTH-1:0] o
);
  localparam STEP = ULTRASCALE ? 8 : 4;
  localparam CHUNKS = (WIDTH + STEP - 1) / STEP;
  wire [CHUNKS*STEP-1:0] s_all = {{(CHUNKS * STEP - WIDTH + 1) {1'b0}}, s};
  wire [CHUNKS*STEP-1:0] di_all = {{(CHUNKS * STEP - WIDTH + 1) {1'b0}}, di};
  wire [CHUNKS*STEP-1:0] o_all;
  wire [CHUNKS*STEP-1:0] co;
  assign o = o_all[WIDTH-1:0];

  genvar k;
  generate
    for (k = 0; k < CHUNKS; k = k + 1) begin : chunk
      if (ULTRASCALE) begin : us
        CARRY8 #(.CARRY_TYPE("SINGLE_CY8")) carry (
            .CI(k == 0 ? ci : co[(k==0?0 : k*STEP-1)]), .CI_TOP(1'b0),
            .S(s_all[k*STEP+:STEP]), .DI(di_all[k*STEP+:STEP]),
            .O(o_all[k*STEP+:STEP]), .CO(co[k*STEP+:STEP]));
      end else begin : s7
        CARRY4 carry (
            .CI(k == 0 ? 1'b0 : co[(k==0?0 : k*STEP-1)]), .CYINIT(k == 0 ? ci : 1'b0),
            .S(s_all[k*STEP+:STEP]), .DI(di_all[k*STEP+:STEP]),
            .O(o_all[k*STEP+:STEP]), .CO(co[k*STEP+:STEP]));
      end
    end
  endgenerate
endmodule
