"""PackedDesign -> a complete HLS project, as a FilePlan. See docs/hls-project.md."""
