// Distributed arithmetic: the tables of four inputs of one row, and their loader.
//
// A table holds, for every subset of the four inputs, the sum of the subset's weights: 16 entries
// of the bank that computes and 16 of the bank that is loaded. There is one for every activation
// bit of every pixel, all with the same contents. The loader writes a bank in 16 cycles in Gray
// order: each entry is the last one plus or minus one weight.
`timescale 1ns / 1ps
module rmsmp_table_group #(
    parameter TABLE_BITS = 6,
    parameter PIXELS = 4,
    parameter [16*TABLE_BITS-1:0] WEIGHTS = 0,  // weight of code k at bits TABLE_BITS * k ..
    parameter ULTRASCALE = 0
) (
    input  wire        ap_clk,
    input  wire        ap_ce,
    // Loader, from the sequencer; `codes` are the four codes of the next tile.
    input  wire [15:0] codes,
    input  wire [1:0]  select,
    input  wire        subtract,
    input  wire        clear,
    input  wire        write,         // gated with ap_ce
    input  wire [4:0]  write_address,
    // Tables: input j of pixel p at activations[16 p + 4 j +: 4].
    input  wire                            bank,
    input  wire [16*PIXELS-1:0]            activations,
    output reg  [4*PIXELS*TABLE_BITS-1:0]  entries  // [(4 pixel + activation bit) * TABLE_BITS]
);
  // The multiplexer of a code bit: I0..I3 = the four codes' bits, I5 I4 = select.
  // Bit i of entry +- weight: I0..I3 = code, I4 = subtract, I5 = entry.
  function [63:0] step_table(input integer i);
    integer row;
    begin
      step_table = 64'd0;
      for (row = 0; row < 64; row = row + 1)
        step_table[row] = WEIGHTS[(row%16)*TABLE_BITS+i] ^ row[4] ^ row[5];
    end
  endfunction

  wire [3:0] code;
  reg [TABLE_BITS-1:0] entry;
  wire [TABLE_BITS-1:0] propagate, next;
  genvar i, p, b;
  generate
    for (i = 0; i < 4; i = i + 1) begin : code_bits
      LUT6 #(.INIT(64'hFF00F0F0CCCCAAAA)) mux (
          .I0(codes[i]), .I1(codes[4+i]), .I2(codes[8+i]), .I3(codes[12+i]),
          .I4(select[0]), .I5(select[1]), .O(code[i]));
    end
    for (i = 0; i < TABLE_BITS; i = i + 1) begin : entry_bits
      LUT6 #(.INIT(step_table(i))) add (
          .I0(code[0]), .I1(code[1]), .I2(code[2]), .I3(code[3]),
          .I4(subtract), .I5(entry[i]), .O(propagate[i]));
    end
  endgenerate
  rmsmp_carry #(.WIDTH(TABLE_BITS), .ULTRASCALE(ULTRASCALE)) chain (
      .s(propagate), .di(entry), .ci(subtract), .o(next));
  always @(posedge ap_clk)
    if (clear) entry <= 0;  // also while ap_ce is low: it is the reset of a flip-flop
    else if (ap_ce) entry <= next;

  // Two bits of a table per LUT: as many read ports as pairs.
  localparam PORTS = (TABLE_BITS + 1) / 2;
  localparam [1:0] NONE = 2'b00;
  wire [11:0] data = {{(13 - TABLE_BITS) {1'b0}}, entry};
  wire [4*PIXELS*TABLE_BITS-1:0] read;
  generate
    for (p = 0; p < PIXELS; p = p + 1) begin : pixel
      wire [19:0] address;  // five bits per activation bit
      wire [47:0] word;     // twelve bits per activation bit
      for (b = 0; b < 4; b = b + 1) begin : plane
        assign address[5*b+:5] = {bank, activations[16*p+12+b], activations[16*p+8+b],
                                  activations[16*p+4+b], activations[16*p+b]};
        assign read[(4*p+b)*TABLE_BITS+:TABLE_BITS] = word[12*b+:TABLE_BITS];
      end
      if (ULTRASCALE && PORTS <= 3) begin : paired
        // Seven read ports: the tables of two activation bits share one RAM32M16.
        for (b = 0; b < 4; b = b + 2) begin : ram
          RAM32M16 memory (
              .WCLK(ap_clk), .WE(write), .ADDRH(write_address), .DIH(NONE), .DOH(),
              .ADDRA(address[5*b+:5]), .ADDRB(address[5*b+:5]), .ADDRC(address[5*b+:5]),
              .ADDRD(address[5*(b+1)+:5]), .ADDRE(address[5*(b+1)+:5]), .ADDRF(address[5*(b+1)+:5]),
              .ADDRG(5'd0), .DIA(data[1:0]), .DIB(data[3:2]), .DIC(data[5:4]),
              .DID(data[1:0]), .DIE(data[3:2]), .DIF(data[5:4]), .DIG(NONE),
              .DOA(word[12*b+:2]), .DOB(word[12*b+2+:2]), .DOC(word[12*b+4+:2]),
              .DOD(word[12*(b+1)+:2]), .DOE(word[12*(b+1)+2+:2]),
              .DOF(word[12*(b+1)+4+:2]), .DOG());
        end
      end else begin : single
        // Three read ports: six bits per RAM32M.
        for (b = 0; b < 4; b = b + 1) begin : table_of
          for (i = 0; i < TABLE_BITS; i = i + 6) begin : ram
            RAM32M memory (
                .WCLK(ap_clk), .WE(write), .ADDRD(write_address), .DID(NONE), .DOD(),
                .ADDRA(address[5*b+:5]), .ADDRB(address[5*b+:5]), .ADDRC(address[5*b+:5]),
                .DIA(data[i+:2]), .DIB(data[i+2+:2]), .DIC(data[i+4+:2]),
                .DOA(word[12*b+i+:2]), .DOB(word[12*b+i+2+:2]),
                .DOC(word[12*b+i+4+:2]));
          end
        end
      end
    end
  endgenerate
  always @(posedge ap_clk) if (ap_ce) entries <= read;
endmodule
