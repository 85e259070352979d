// y = clamp((acc * multiplier + bias) >> shift, low, high), one DSP, II = 1, latency 6.
//
// The sum has 49 bits, the DSP 48: the top one is the bias's sign where product and bias have one
// sign and the DSP's sum the other.
`timescale 1ns / 1ps
module rmsmp_requantize #(
    parameter ACC_BITS = 24,    // up to 27 (DSP48E2), 25 (DSP48E1)
    parameter BOUND_BITS = 32,  // of low, high and y
    parameter ULTRASCALE = 1
) (
    input  wire                  ap_clk,
    input  wire                  ap_ce,
    input  wire [ACC_BITS-1:0]   acc,
    input  wire [17:0]           multiplier,
    input  wire [47:0]           bias,
    input  wire [5:0]            shift,
    input  wire [BOUND_BITS-1:0] low,
    input  wire [BOUND_BITS-1:0] high,
    output reg  [BOUND_BITS-1:0] y
);
  wire [47:0] product_sum;
  wire [29:0] a_port = {{(30 - ACC_BITS) {acc[ACC_BITS-1]}}, acc};
  reg [47:0] bias1;
  generate
    if (ULTRASCALE) begin : e2
      DSP48E2 #(
          .AMULTSEL("A"), .BMULTSEL("B"), .PREADDINSEL("A"), .USE_MULT("MULTIPLY"),
          .AREG(1), .ACASCREG(1), .BREG(1), .BCASCREG(1), .CREG(1), .DREG(0), .ADREG(0),
          .MREG(1), .PREG(1), .INMODEREG(0), .OPMODEREG(0), .ALUMODEREG(0),
          .CARRYINREG(0), .CARRYINSELREG(0)
      ) dsp (
          .CLK(ap_clk), .A(a_port), .B(multiplier), .C(bias1), .D(27'd0), .PCIN(48'd0),
          .PCOUT(), .P(product_sum), .OPMODE(9'b000110101), .ALUMODE(4'd0), .INMODE(5'd0),
          .CARRYIN(1'b0), .CARRYINSEL(3'd0), .CEA1(1'b0), .CEA2(ap_ce), .CED(1'b0),
          .CEAD(1'b0), .CEB1(1'b0), .CEB2(ap_ce), .CEC(ap_ce), .CEM(ap_ce), .CEP(ap_ce),
          .CEALUMODE(1'b1), .CECARRYIN(1'b1), .CECTRL(1'b1), .CEINMODE(1'b1),
          .RSTA(1'b0), .RSTALLCARRYIN(1'b0), .RSTALUMODE(1'b0), .RSTB(1'b0), .RSTC(1'b0),
          .RSTCTRL(1'b0), .RSTD(1'b0), .RSTINMODE(1'b0), .RSTM(1'b0), .RSTP(1'b0),
          .ACIN(30'd0), .BCIN(18'd0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0));
    end else begin : e1
      DSP48E1 #(
          .USE_DPORT("FALSE"), .USE_MULT("MULTIPLY"),
          .AREG(1), .ACASCREG(1), .BREG(1), .BCASCREG(1), .CREG(1), .DREG(0), .ADREG(0),
          .MREG(1), .PREG(1), .INMODEREG(0), .OPMODEREG(0), .ALUMODEREG(0),
          .CARRYINREG(0), .CARRYINSELREG(0)
      ) dsp (
          .CLK(ap_clk), .A(a_port), .B(multiplier), .C(bias1), .D(25'd0), .PCIN(48'd0),
          .PCOUT(), .P(product_sum), .OPMODE(7'b0110101), .ALUMODE(4'd0), .INMODE(5'd0),
          .CARRYIN(1'b0), .CARRYINSEL(3'd0), .CEA1(1'b0), .CEA2(ap_ce), .CED(1'b0),
          .CEAD(1'b0), .CEB1(1'b0), .CEB2(ap_ce), .CEC(ap_ce), .CEM(ap_ce), .CEP(ap_ce),
          .CEALUMODE(1'b1), .CECARRYIN(1'b1), .CECTRL(1'b1), .CEINMODE(1'b1),
          .RSTA(1'b0), .RSTALLCARRYIN(1'b0), .RSTALUMODE(1'b0), .RSTB(1'b0), .RSTC(1'b0),
          .RSTCTRL(1'b0), .RSTD(1'b0), .RSTINMODE(1'b0), .RSTM(1'b0), .RSTP(1'b0),
          .ACIN(30'd0), .BCIN(18'd0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0));
    end
  endgenerate

  // What waits for the sum, by cycles since the operands.
  reg [5:0] shift1, shift2, shift3;
  reg [BOUND_BITS-1:0] low1, low2, low3, low4, low5, high1, high2, high3, high4, high5;
  reg product_sign1, product_sign2, product_sign3, bias_sign2, bias_sign3;
  wire overflow = product_sign3 == bias_sign3 && product_sum[47] != bias_sign3;
  wire signed [48:0] sum = {overflow ? bias_sign3 : product_sum[47], product_sum};
  reg signed [48:0] coarse, shifted;
  reg [2:0] fine;
  wire signed [48:0] floor_bound = {{(49 - BOUND_BITS) {low5[BOUND_BITS-1]}}, low5};
  wire signed [48:0] ceiling = {{(49 - BOUND_BITS) {high5[BOUND_BITS-1]}}, high5};
  always @(posedge ap_clk)
    if (ap_ce) begin
      bias1 <= bias;
      bias_sign2 <= bias1[47];
      bias_sign3 <= bias_sign2;
      product_sign1 <= acc[ACC_BITS-1] ^ multiplier[17];
      product_sign2 <= product_sign1;
      product_sign3 <= product_sign2;
      {shift3, shift2, shift1} <= {shift2, shift1, shift};
      {low5, low4, low3, low2, low1} <= {low4, low3, low2, low1, low};
      {high5, high4, high3, high2, high1} <= {high4, high3, high2, high1, high};
      coarse <= sum >>> {shift3[5:3], 3'd0};
      fine <= shift3[2:0];
      shifted <= coarse >>> fine;
      y <= shifted < floor_bound ? low5 : shifted > ceiling ? high5 : shifted[BOUND_BITS-1:0];
    end
endmodule
