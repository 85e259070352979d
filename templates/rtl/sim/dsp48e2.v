// DSP48E2 for simulation only, as far as the lanes use it: P = Z + (A | A + D) * B, with Z = C or
// PCIN. The vendor's model is not free and yosys has none, so this one is ours, written after
// UG579. It stops the simulation on any setting that it does not model.
`timescale 1ns / 1ps
module DSP48E2 #(
    parameter AMULTSEL = "A", parameter BMULTSEL = "B", parameter PREADDINSEL = "A",
    parameter USE_MULT = "MULTIPLY",
    parameter integer AREG = 1, parameter integer ACASCREG = 1, parameter integer BREG = 1,
    parameter integer BCASCREG = 1, parameter integer CREG = 1, parameter integer DREG = 1,
    parameter integer ADREG = 1, parameter integer MREG = 1, parameter integer PREG = 1,
    parameter integer INMODEREG = 1, parameter integer OPMODEREG = 1,
    parameter integer ALUMODEREG = 1, parameter integer CARRYINREG = 1,
    parameter integer CARRYINSELREG = 1
) (
    input CLK, input [29:0] A, input [17:0] B, input [47:0] C, input [26:0] D,
    input [47:0] PCIN, output [47:0] PCOUT, output reg [47:0] P,
    input [8:0] OPMODE, input [3:0] ALUMODE, input [4:0] INMODE, input CARRYIN,
    input [2:0] CARRYINSEL, input CEA1, CEA2, CED, CEAD, CEB1, CEB2, CEC, CEM, CEP,
    input CEALUMODE, CECARRYIN, CECTRL, CEINMODE,
    input RSTA, RSTALLCARRYIN, RSTALUMODE, RSTB, RSTC, RSTCTRL, RSTD, RSTINMODE, RSTM, RSTP,
    input [29:0] ACIN, input [17:0] BCIN, input CARRYCASCIN, input MULTSIGNIN
);
  reg signed [26:0] a, d, ad;
  reg signed [17:0] b1, b2;
  reg signed [44:0] m;
  reg [47:0] c;
  wire signed [26:0] left = AMULTSEL == "AD" ? ad : a;
  wire signed [17:0] right = b2;
  wire signed [47:0] product = m;
  assign PCOUT = P;
  always @(posedge CLK) begin
    if (CEA2) a <= A[26:0];
    if (CED) d <= D;
    if (CEAD) ad <= a + d;
    if (CEB1) b1 <= B;
    if (CEB2) b2 <= BREG == 2 ? b1 : B;
    if (CEC) c <= C;
    if (CEM) m <= left * right;
    if (CEP) P <= (OPMODE[6:4] == 3'b011 ? c : PCIN) + product;
  end
  initial begin
    #1;
    if (AREG != 1 || BREG < 1 || CREG != 1 || MREG != 1 || PREG != 1 || INMODEREG != 0
        || OPMODEREG != 0 || ALUMODEREG != 0 || CARRYINREG != 0 || CARRYINSELREG != 0
        || BMULTSEL != "B" || PREADDINSEL != "A" || USE_MULT != "MULTIPLY"
        || (AMULTSEL == "AD" && (DREG != 1 || ADREG != 1 || INMODE !== 5'b00100))
        || (AMULTSEL == "A" && INMODE !== 5'd0)
        || (OPMODE !== 9'b000110101 && OPMODE !== 9'b000010101)
        || ALUMODE !== 4'd0 || CARRYIN !== 1'b0 || CARRYINSEL !== 3'd0
        || {RSTA, RSTALLCARRYIN, RSTALUMODE, RSTB, RSTC, RSTCTRL, RSTD, RSTINMODE, RSTM, RSTP} !== 10'd0)
      begin
        $display("DSP48E2: a setting that this model does not have");
        $stop;
      end
  end
endmodule
