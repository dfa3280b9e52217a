"""The ``s3`` block: copying results to an S3 bucket."""

from __future__ import annotations

from recipe_engine.recipe.base import Block


class S3Block(Block):
    """Upload of the model and its checkpoints. Credentials come from the environment, as boto3 finds them."""

    enabled: bool = False
    """Upload results."""
    bucket: str = ""
    """Name of the bucket."""
    prefix: str = ""
    """Folder inside the bucket."""
    region: str | None = None
    """AWS region; default: the environment's."""
    endpoint_url: str | None = None
    """Address of an S3-compatible service; default: AWS."""
    upload_final_model: bool = True
    """Upload the trained model when training is done."""
    upload_checkpoints: bool = True
    """Upload each checkpoint after it was saved."""
    delete_local_after_upload: bool = False
    """Remove a checkpoint's local copy once it is uploaded. The final model is kept."""
