"""Clusters: compiling the pipeline for Kubeflow and Vertex, submitting, watching and scheduling it there."""
