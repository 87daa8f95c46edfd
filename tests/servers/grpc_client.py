"""A client of KServe's gRPC, run in its environment: python -I grpc_client.py ADDRESS NAME IMAGE…

It prints the status and the answer as JSON.
"""

import json
import sys
from pathlib import Path

import grpc
import kserve
from kserve.protocol.grpc.grpc_predict_v2_pb2 import ModelInferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

address, name, *paths = sys.argv[1:]
images = [Path(path).read_bytes() for path in paths]
tensor = {"name": "image_bytes", "datatype": "BYTES", "shape": [len(images)], "contents": {"bytes_contents": images}}
with grpc.insecure_channel(address) as channel:
    try:
        answer = GRPCInferenceServiceStub(channel).ModelInfer(ModelInferRequest(model_name=name, inputs=[tensor]))
    except grpc.RpcError as error:
        print(json.dumps([error.code().name, error.details()]))
    else:
        told, _ = kserve.InferResponse.from_grpc(answer).to_rest()
        print(json.dumps(["OK", told]))
