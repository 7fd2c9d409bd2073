"""Sends every CT, MR and PET series that Orthanc receives to irisnode, once the series is stable (no instance has
arrived for "StableAge" seconds). irisnode decides by its own rules what to do with it.

For Orthanc's Python plugin; irisnode.lua does the same without a plugin. Use one of them.
"""

import json

import orthanc

# The name of irisnode in "DicomModalities", and its AE title there.
IRISNODE = "irisnode"
IRISNODE_AE_TITLE = "IRISNODE"

# What is worth sending. A SEG is not: results of irisnode stay in Orthanc.
MODALITIES = {"CT", "MR", "PT"}


def sender(instances):
    """AE title of the sender of a series; None when it came by another way than DICOM."""
    return json.loads(orthanc.RestApiGet(f"/instances/{instances[0]}/metadata?expand")).get("RemoteAET")


def route(series):
    known = json.loads(orthanc.RestApiGet(f"/series/{series}"))
    if known["MainDicomTags"].get("Modality") not in MODALITIES:
        return
    # Whatever the set above becomes: nothing that irisnode sent goes back to it.
    if sender(known["Instances"]) == IRISNODE_AE_TITLE:
        return
    # A job of its own per series, over one association; Orthanc lists it under Jobs, where it can be resubmitted
    # should irisnode have been down.
    job = {"Resources": [series], "Synchronous": False}
    orthanc.RestApiPost(f"/modalities/{IRISNODE}/store", json.dumps(job))


def on_change(change, level, resource):
    if change != orthanc.ChangeType.STABLE_SERIES:
        return
    try:
        route(resource)
    except Exception as error:
        # A series that was deleted meanwhile, or no such modality: Orthanc goes on, and its log says so.
        orthanc.LogError(f"irisnode: series {resource} is not sent: {error}")


orthanc.RegisterOnChangeCallback(on_change)
