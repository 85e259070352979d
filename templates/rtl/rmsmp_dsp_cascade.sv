// One cascade of DSPs: p = OFFSET * (1 + 2^F + 2^2F) + sum_k ((w1[k] << 2F) + w0[k]) * b[k].
//
// w1 << 2F enters at A and w0 at D: the pre-adder packs them. The first element adds the offset
// from C, the others what the one before them has (PCIN). Element k takes its operands k cycles
// after element 0; p comes LENGTH + 3 cycles after those of element 0. The weights stay in the
// registers of A and D until `load` of their element (already gated with ap_ce).
`timescale 1ns / 1ps
module rmsmp_dsp_cascade #(
    parameter LENGTH = 16,
    parameter FIELD = 11,
    parameter [47:0] OFFSET = 1023,
    parameter ULTRASCALE = 1  // 1: DSP48E2, 0: DSP48E1
) (
    input  wire                 ap_clk,
    input  wire                 ap_ce,
    input  wire [LENGTH-1:0]    load,
    input  wire [4*LENGTH-1:0]  w0,
    input  wire [4*LENGTH-1:0]  w1,
    input  wire [18*LENGTH-1:0] b,
    output wire [47:0]          p
);
  localparam PORT = ULTRASCALE ? 27 : 25;
  wire [47:0] constant = OFFSET | (OFFSET << FIELD) | (OFFSET << (2 * FIELD));
  wire [48*(LENGTH+1)-1:0] chain;
  wire [48*LENGTH-1:0] sums;
  assign chain[47:0] = 48'd0;
  assign p = sums[48*LENGTH-1-:48];

  genvar k;
  generate
    for (k = 0; k < LENGTH; k = k + 1) begin : element
      wire [29:0] a_port = {{(26 - 2 * FIELD) {w1[4*k+3]}}, w1[4*k+:4], {(2 * FIELD) {1'b0}}};
      wire [PORT-1:0] d_port = {{(PORT - 4) {w0[4*k+3]}}, w0[4*k+:4]};
      if (ULTRASCALE) begin : e2
        DSP48E2 #(
            .AMULTSEL("AD"), .BMULTSEL("B"), .PREADDINSEL("A"), .USE_MULT("MULTIPLY"),
            .AREG(1), .ACASCREG(1), .BREG(2), .BCASCREG(2), .CREG(1), .DREG(1), .ADREG(1),
            .MREG(1), .PREG(1), .INMODEREG(0), .OPMODEREG(0), .ALUMODEREG(0),
            .CARRYINREG(0), .CARRYINSELREG(0)
        ) dsp (
            .CLK(ap_clk), .A(a_port), .B(b[18*k+:18]), .C(constant), .D(d_port),
            .PCIN(chain[48*k+:48]), .PCOUT(chain[48*(k+1)+:48]), .P(sums[48*k+:48]),
            .OPMODE(k == 0 ? 9'b000110101 : 9'b000010101), .ALUMODE(4'd0), .INMODE(5'b00100),
            .CARRYIN(1'b0), .CARRYINSEL(3'd0), .CEA1(1'b0), .CEA2(load[k]), .CED(load[k]),
            .CEAD(ap_ce), .CEB1(ap_ce), .CEB2(ap_ce), .CEC(ap_ce), .CEM(ap_ce), .CEP(ap_ce),
            .CEALUMODE(1'b1), .CECARRYIN(1'b1), .CECTRL(1'b1), .CEINMODE(1'b1),
            .RSTA(1'b0), .RSTALLCARRYIN(1'b0), .RSTALUMODE(1'b0), .RSTB(1'b0), .RSTC(1'b0),
            .RSTCTRL(1'b0), .RSTD(1'b0), .RSTINMODE(1'b0), .RSTM(1'b0), .RSTP(1'b0),
            .ACIN(30'd0), .BCIN(18'd0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0));
      end else begin : e1
        DSP48E1 #(
            .USE_DPORT("TRUE"), .USE_MULT("MULTIPLY"),
            .AREG(1), .ACASCREG(1), .BREG(2), .BCASCREG(2), .CREG(1), .DREG(1), .ADREG(1),
            .MREG(1), .PREG(1), .INMODEREG(0), .OPMODEREG(0), .ALUMODEREG(0),
            .CARRYINREG(0), .CARRYINSELREG(0)
        ) dsp (
            .CLK(ap_clk), .A(a_port), .B(b[18*k+:18]), .C(constant), .D(d_port),
            .PCIN(chain[48*k+:48]), .PCOUT(chain[48*(k+1)+:48]), .P(sums[48*k+:48]),
            .OPMODE(k == 0 ? 7'b0110101 : 7'b0010101), .ALUMODE(4'd0), .INMODE(5'b00100),
            .CARRYIN(1'b0), .CARRYINSEL(3'd0), .CEA1(1'b0), .CEA2(load[k]), .CED(load[k]),
            .CEAD(ap_ce), .CEB1(ap_ce), .CEB2(ap_ce), .CEC(ap_ce), .CEM(ap_ce), .CEP(ap_ce),
            .CEALUMODE(1'b1), .CECARRYIN(1'b1), .CECTRL(1'b1), .CEINMODE(1'b1),
            .RSTA(1'b0), .RSTALLCARRYIN(1'b0), .RSTALUMODE(1'b0), .RSTB(1'b0), .RSTC(1'b0),
            .RSTCTRL(1'b0), .RSTD(1'b0), .RSTINMODE(1'b0), .RSTM(1'b0), .RSTP(1'b0),
            .ACIN(30'd0), .BCIN(18'd0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0));
      end
    end
  endgenerate
endmodule
