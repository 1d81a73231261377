"""The studies that come with mtl_keras, one a file; each defines `STUDY`."""
