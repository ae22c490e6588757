"""The shipping desk: a torch module becomes ONNX and TFLite files, is quantized, proved, and packed into a bundle."""
