"""Fields that forms share, with the bounds each is held to before anything reads it."""

from typing import Annotated

from fastapi import File, Form, UploadFile

from property_credit.workbench import attachments
from property_credit.workbench.attachments import Attachment
from property_credit.workbench.errors import WorkbenchError

Token = Annotated[str, Form(max_length=200)]
FormId = Annotated[str, Form(max_length=40)]
Follows = Annotated[int, Form(ge=0, le=100_000)]
Hour = Annotated[int, Form(ge=0, le=100)]
Code = Annotated[str, Form(max_length=100)]
Text = Annotated[str, Form(max_length=20_000)]
Files = Annotated[list[UploadFile], File()]


def kept(files: list[UploadFile]) -> list[Attachment]:
    """Check and keep the files of a form; WorkbenchError says which will not do."""
    named = [one for one in files if one.filename]
    if len(named) > attachments.MOST_FILES:
        raise WorkbenchError(f"一次最多上传 {attachments.MOST_FILES} 个附件。")
    return attachments.keep([(one.filename or "", one.file.read(attachments.MOST_BYTES + 1)) for one in named])
