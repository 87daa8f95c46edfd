"""The steps of Graft, one folder each; every one is a plain function and a thin Kubeflow component around it."""
