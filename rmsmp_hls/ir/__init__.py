"""The three graph levels, their rules, text form and files. See docs/ir.md."""
