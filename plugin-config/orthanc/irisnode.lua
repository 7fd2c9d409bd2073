-- Sends every CT, MR and PET series that Orthanc receives to irisnode, once the
-- series is stable (no instance has arrived for "StableAge" seconds).
-- irisnode decides by its own rules what to do with it.

-- The name of irisnode in "DicomModalities", and its AE title there.
local IRISNODE = 'irisnode'
local IRISNODE_AE_TITLE = 'IRISNODE'

-- What is worth sending. A SEG is not: results of irisnode stay in Orthanc.
local MODALITIES = { CT = true, MR = true, PT = true }

-- AE title of the sender of a series; nil when it came by another way than DICOM.
local function sender(series)
   local instances = ParseJson(RestApiGet('/series/' .. series))['Instances']
   local known = ParseJson(RestApiGet('/instances/' .. instances[1] .. '/metadata?expand'))
   return known['RemoteAET']
end

function OnStableSeries(series, tags, metadata)
   if not MODALITIES[tags['Modality']] then
      return
   end
   -- Whatever the list above becomes: nothing that irisnode sent goes back to it.
   if sender(series) == IRISNODE_AE_TITLE then
      return
   end
   -- A job of its own per series, over one association; Orthanc lists it under
   -- Jobs, where it can be resubmitted should irisnode have been down.
   local job = { Resources = { series }, Synchronous = false }
   RestApiPost('/modalities/' .. IRISNODE .. '/store', DumpJson(job))
end
