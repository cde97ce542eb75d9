"""The deployment package: what runs in the cloud and nothing else."""
