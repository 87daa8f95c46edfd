"""InceptionV3 (Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2015, arXiv:1512.00567)."""

from graft.components.train.backbones.architecture import Architecture

INCEPTION_V3 = Architecture(
    name="inception_v3",
    title="InceptionV3",
    blocks=tuple(f"mixed{number}" for number in range(11)),
    default_cut="mixed7",
    smallest_image=75,
    scaling="symmetric",
    parameters=21_802_784,
    parameters_with_top=23_851_784,
    imagenet_url="https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
    "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
    imagenet_md5="bcbd6486424b2319ff4ef7d526e38f63",
)
