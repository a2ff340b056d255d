"""The elements that are read of a header."""

from pydicom.datadict import tag_for_keyword
from pydicom.tag import Tag

from common.formats.dicom.attributes import TAGS
from common.formats.dicom.slices import CONTRAST_TAGS, TIME_TAGS
from common.formats.dicom.traits import SETTINGS

LAYOUT = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated",),
)
HEADER_TAGS = {
    int(Tag(keyword)): keyword
    for keyword in (
        *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "InstanceNumber"),
        *("Modality", "PatientID"),
        *LAYOUT,
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
        *("SliceThickness", "SpacingBetweenSlices"),
        *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "PixelRepresentation"),
        *("RealWorldValueMappingSequence", "RealWorldValueSlope", "RealWorldValueIntercept"),
        *("PatientName", "StudyInstanceUID", "FrameOfReferenceUID", "SeriesNumber", "StationName"),
        *("ImagesInAcquisition", "NumberOfSeriesRelatedInstances", "NumberOfSlices"),
        *("ConcatenationUID", "InConcatenationTotalNumber"),
        *("SliceLocation", "ComplexImageComponent", "DiffusionGradientDirectionSequence"),
        *("Manufacturer", "ImageComments"),
        *SETTINGS,
        *("FrameIncrementPointer", "DetectorInformationSequence"),
        *("FrameTime", "FrameTimeVector", "NumberOfTemporalPositions", "CardiacNumberOfImages"),
        *("SliceVector", "EnergyWindowVector", "DetectorVector", "PhaseVector"),
        *("RRIntervalVector", "TimeSlotVector", "TimeSliceVector"),
        *("DimensionIndexSequence", *TIME_TAGS),
        *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
        *("AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime"),
        *("SeriesDate", "SeriesTime", "ContentDate", "ContentTime", "TimezoneOffsetFromUTC"),
        *CONTRAST_TAGS,
        *TAGS,
    )
    if tag_for_keyword(keyword) is not None
}
