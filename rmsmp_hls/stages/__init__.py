"""The stages of a build, one file each; `rmsmp_hls.flow` knows their order."""
