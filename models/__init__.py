"""The contract between training and service: what an artifact is, where it lies, and the few functions both need.

Knows numpy, pydantic and Pillow; knows neither torch, nor onnxruntime, nor the web.
"""
