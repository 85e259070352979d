"""ONNX and QONNX files -> FloatGraph. Needs the package `onnx` only when a file is read."""
