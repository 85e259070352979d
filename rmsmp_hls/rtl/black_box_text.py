"""What stands inside the black boxes: Verilog bodies and C++ models."""

from __future__ import annotations

SHIFT_ADD_MODEL = """\
  typedef rmsmp::ShiftAdd<U> L;
  U::Nibble nibbles[U::kChannels];
  U::Signed4 values[U::kChannels];
  L::Shift1 shift1[U::kChannels];
  L::Shift2 shift2[U::kChannels];
  L::Mask used1[U::kChannels], used2[U::kChannels], sign[U::kChannels];
  L::Carry carry;
  for (int n = 0; n < U::kChannels; ++n) {
    nibbles[n] = U::Storage::GetBits<4>(codes, 4 * n);
    values[n] = U::Storage::AsSigned<4>(U::Storage::GetBits<4>(activations, 4 * n));
  }
  rmsmp::DecodeShiftAdd<U>(nibbles, shift1, shift2, used1, used2, sign, carry);
  dot = rmsmp::ShiftAddDot<U>(shift1, shift2, used1, used2, sign, carry, values);"""

PACKED_MODEL = """\
  U::Signed4 row0[U::kChannels], row1[U::kChannels];
  rmsmp::Packed<U>::B packed[U::kChannels];
  rmsmp::Packed<U>::Sum dots[2][2];
  for (int n = 0; n < U::kChannels; ++n) {
    row0[n] = U::Storage::AsSigned<4>(U::Storage::GetBits<4>(w0, 4 * n));
    row1[n] = U::Storage::AsSigned<4>(U::Storage::GetBits<4>(w1, 4 * n));
    packed[n] = rmsmp::PackActivations<U>(
        U::Storage::AsSigned<4>(U::Storage::GetBits<4>(a0, 4 * n)),
        U::Storage::AsSigned<4>(U::Storage::GetBits<4>(a1, 4 * n)));
  }
  rmsmp::PackedDot<U>(row0, row1, packed, dots);
  dot00 = dots[0][0];
  dot01 = dots[0][1];
  dot10 = dots[1][0];
  dot11 = dots[1][1];"""

REQUANTIZE_MODEL = """\
  rmsmp::RowParams<U> row;
  row.multiplier = multiplier;
  row.bias = bias;
  row.correction = 0;
  row.position = 0;
  row.block = 0;
  row.valid = true;
  y = rmsmp::Requantize<U>(acc, row, shift, low, high);"""


def table_model(bits: int) -> str:
    """Return the model of a table lane whose results have `bits` bits; it has a state."""
    return f"""\
  typedef rmsmp::ShiftAdd<U> L;
  static U::Nibble active[U::kChannels], next[U::kChannels];
  U::Signed4 values[U::kChannels];
  L::Shift1 shift1[U::kChannels];
  L::Shift2 shift2[U::kChannels];
  L::Mask used1[U::kChannels], used2[U::kChannels], sign[U::kChannels];
  L::Carry carry;
  for (int n = 0; n < U::kChannels; ++n) {{
    if (swap) active[n] = next[n];
    if (load) next[n] = U::Storage::GetBits<4>(codes, 4 * n);
  }}
  rmsmp::DecodeShiftAdd<U>(active, shift1, shift2, used1, used2, sign, carry);
  for (int p = 0; p < U::kPixels; ++p) {{
    for (int n = 0; n < U::kChannels; ++n) {{
      values[n] = U::Storage::AsSigned<4>(
          U::Storage::GetBits<4>(activations, 4 * (p * U::kChannels + n)));
    }}
    const ap_int<{bits}> dot =
        rmsmp::ShiftAddDot<U>(shift1, shift2, used1, used2, sign, carry, values);
    dots.range({bits} * p + {bits - 1}, {bits} * p) = ap_uint<{bits}>(dot);
  }}"""


def shift_add_body(lane: str, book: str, inputs: int, controls: int) -> str:
    """Decoders, a register, the lane."""
    return f"""\
  wire [{controls * inputs - 1}:0] decoded;
  reg [{controls * inputs - 1}:0] controls;
  reg [{4 * inputs - 1}:0] values;
  genvar k;
  generate
    for (k = 0; k < {inputs}; k = k + 1) begin : weight
      rmsmp_decode_{book} decode (
          .code(codes[4*k+:4]), .controls(decoded[{controls}*k+:{controls}]));
    end
  endgenerate
  always @(posedge ap_clk)
    if (ap_ce) begin
      controls <= decoded;
      values <= activations;
    end
  {lane} lane (
      .ap_clk(ap_clk), .ap_ce(ap_ce), .controls(controls), .activations(values), .dot(dot));"""


def packed_body(lane: str, inputs: int, length: int, field: int, bits: int) -> str:
    """Packing, the skew of every cascade (input k waits k cycles), the slot."""
    return f"""\
  wire [{4 * inputs - 1}:0] w0_late, w1_late;
  wire [{18 * inputs - 1}:0] b, b_late;
  genvar k;
  generate
    for (k = 0; k < {inputs}; k = k + 1) begin : element
      rmsmp_pack_activations #(.FIELD({field})) pack (
          .a0(a0[4*k+:4]), .a1(a1[4*k+:4]), .b(b[18*k+:18]));
      rmsmp_delay #(.WIDTH(26), .CYCLES(k % {length})) skew (
          .ap_clk(ap_clk), .ap_ce(ap_ce), .in({{w0[4*k+:4], w1[4*k+:4], b[18*k+:18]}}),
          .out({{w0_late[4*k+:4], w1_late[4*k+:4], b_late[18*k+:18]}}));
    end
  endgenerate
  {lane} slot (
      .ap_clk(ap_clk), .ap_ce(ap_ce), .load({{{length}{{ap_ce}}}}), .w0(w0_late), .w1(w1_late),
      .packed_activations(b_late), .dot({{dot11, dot10, dot01, dot00}}));"""


def table_body(lane: str, inputs: int) -> str:
    """The shadow of the coming codes, the sequencer, the lane."""
    return f"""\
  reg [{4 * inputs - 1}:0] coming;
  wire bank, subtract, clear, write, busy;
  wire [1:0] select;
  wire [4:0] write_address;
  always @(posedge ap_clk) if (ap_ce && ap_start && load[0]) coming <= codes;
  rmsmp_table_sequencer sequencer (
      .ap_clk(ap_clk), .ap_rst(ap_rst), .ap_ce(ap_ce), .start(ap_start & load[0]),
      .swap(ap_start & swap[0]), .bank(bank), .select(select), .subtract(subtract),
      .clear(clear), .write(write), .write_address(write_address), .busy(busy));
  {lane} lane (
      .ap_clk(ap_clk), .ap_ce(ap_ce), .codes(coming), .select(select), .subtract(subtract),
      .clear(clear), .write(write), .write_address(write_address), .bank(bank),
      .activations(activations), .dot(dots));"""


def requantize_body(acc_bits: int, ultrascale: int) -> str:
    """The unit alone."""
    return f"""\
  rmsmp_requantize #(.ACC_BITS({acc_bits}), .BOUND_BITS(32), .ULTRASCALE({ultrascale})) unit (
      .ap_clk(ap_clk), .ap_ce(ap_ce), .acc(acc), .multiplier(multiplier), .bias(bias),
      .shift(shift), .low(low), .high(high), .y(y));"""
