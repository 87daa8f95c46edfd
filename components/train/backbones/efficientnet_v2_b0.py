"""EfficientNetV2B0 (Tan and Le, EfficientNetV2: Smaller Models and Faster Training, 2021, arXiv:2104.00298)."""

from graft.components.train.backbones.architecture import Architecture

EFFICIENTNET_V2_B0 = Architecture(
    name="efficientnet_v2_b0",
    title="EfficientNetV2B0",
    blocks=(
        "block1a_project_activation",
        "block2b_add",
        "block3b_add",
        "block4c_add",
        "block5e_add",
        "block6h_add",
        "top_activation",
    ),
    default_cut="top_activation",
    smallest_image=32,
    scaling="imagenet",
    parameters=5_919_312,
    parameters_with_top=7_200_312,
    imagenet_url="https://storage.googleapis.com/tensorflow/keras-applications/efficientnet_v2/efficientnetv2-b0_notop.h5",
    imagenet_md5="893217f2bb855e2983157299931e43ff",
    rescales=True,
)
