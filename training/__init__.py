"""Making models: fine-tuning, export to ONNX, int8. The only package that imports torch."""
