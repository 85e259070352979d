"""Any artefact of ours, shown readably."""

from rmsmp_hls.inspect.artefact import inspect_artefact

__all__ = ["inspect_artefact"]
