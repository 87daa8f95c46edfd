"""MobileNetV3Large (Howard et al., Searching for MobileNetV3, 2019, arXiv:1905.02244)."""

from graft.components.train.backbones.architecture import Architecture

MOBILENET_V3_LARGE = Architecture(
    name="mobilenet_v3_large",
    title="MobileNetV3Large",
    blocks=(
        "expanded_conv_add",
        "expanded_conv_2_add",
        "expanded_conv_5_add",
        "expanded_conv_9_add",
        "expanded_conv_11_add",
        "expanded_conv_14_add",
        "activation_19",
    ),
    default_cut="activation_19",
    smallest_image=32,
    scaling="symmetric",
    parameters=2_996_352,
    parameters_with_top=5_507_432,
    imagenet_url="https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v3/"
    "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
    imagenet_md5="07fb09a5933dd0c8eaafa16978110389",
    rescales=True,
)
