"""Where models are served: a folder of numbered versions, KServe, a Vertex endpoint."""
