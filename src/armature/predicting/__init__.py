"""From a trained run to people on pictures, videos and cameras."""
