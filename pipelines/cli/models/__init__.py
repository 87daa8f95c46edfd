"""The commands for models and stores: predict, serve, the registry, deployments, mirrors."""
