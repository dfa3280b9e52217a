"""L329 s3-upload-incomplete (error)

An upload needs a bucket. A checkpoint is deleted only after its upload, so ``delete_local_after_upload`` without
``upload_checkpoints`` deletes nothing, and a block that uploads nothing at all has no effect: these are warnings.

Fails:
    s3:
      enabled: true
      prefix: runs
Fails:
    s3:
      enabled: true
      bucket: our-models
      upload_checkpoints: false
      delete_local_after_upload: true
Fails:
    s3:
      enabled: true
      bucket: our-models
      upload_checkpoints: false
      upload_final_model: false
Passes:
    s3:
      enabled: true
      bucket: our-models
      delete_local_after_upload: true
Passes:
    s3:
      enabled: false
      delete_local_after_upload: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import first_given
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    s3 = context.recipe.s3
    if not s3.enabled:
        return
    if not s3.bucket:
        path = first_given(context, ("s3", "bucket"), ("s3", "enabled"))
        yield Finding(path, "s3.enabled is true, and no bucket is named", hint="add bucket: to the s3 block")
    if not s3.upload_checkpoints and not s3.upload_final_model:
        message = "neither the checkpoints nor the final model are uploaded"
        hint = "write upload_final_model: true, or enabled: false"
        yield Finding(("s3", "enabled"), message, hint=hint, severity="warning")
    elif s3.delete_local_after_upload and not s3.upload_checkpoints:
        message = "delete_local_after_upload deletes checkpoints, and upload_checkpoints is false: nothing is deleted"
        hint = "write upload_checkpoints: true, or remove delete_local_after_upload"
        yield Finding(("s3", "delete_local_after_upload"), message, hint=hint, severity="warning")
