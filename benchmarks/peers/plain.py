"""A plain service, as a good tutorial writes it: FastAPI, `UploadFile`, Pillow and one onnxruntime session.

It serves the same fp32 graph (argv: graph, port) and gives the best five classes. The handler is a plain function, so
FastAPI runs it on its thread pool.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, File, UploadFile
from PIL import Image

RESIZE_PX, CROP_PX = 256, 224


def create(graph: str) -> FastAPI:
    """The service over one graph file."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    app = FastAPI()

    @app.post("/classify-image")
    def classify(file: Annotated[UploadFile, File()]) -> dict[str, list[dict[str, float]]]:
        image = Image.open(io.BytesIO(file.file.read())).convert("RGB")
        scale = RESIZE_PX / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
        left, top = (image.width - CROP_PX) // 2, (image.height - CROP_PX) // 2
        pixels = np.asarray(image.crop((left, top, left + CROP_PX, top + CROP_PX)))[None]
        probabilities = session.run(None, {"image": pixels})[0][0]
        best = np.argsort(-probabilities)[:5]
        return {"predictions": [{"class_id": int(i), "score": float(probabilities[i])} for i in best]}

    return app


if __name__ == "__main__":
    uvicorn.run(create(sys.argv[1]), port=int(sys.argv[2]), log_level="warning", access_log=False)
