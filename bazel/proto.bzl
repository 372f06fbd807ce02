"""C++ code from .proto files with Debian's protoc, offline."""

def sillok_proto_library(name, srcs, deps = [], grpc = False, visibility = None):
    """A cc_library of the messages of `srcs` (one or more .proto files).

    Args:
      name: the library; include as "proto/<file>.pb.h".
      srcs: .proto files of this package. Imports are written from the root.
      deps: other sillok_proto_library targets they import.
      grpc: also generate services; they become the library `<name>_grpc`
        ("proto/<file>.grpc.pb.h"), so that cores can use the messages alone.
      visibility: as usual.
    """
    native.filegroup(
        name = name + "_protos",
        srcs = srcs + [d + "_protos" for d in deps],
        visibility = visibility,
    )
    stems = [s[:-len(".proto")] for s in srcs]
    native.genrule(
        name = name + "_pb_gen",
        srcs = [":" + name + "_protos"],
        outs = [s + e for s in stems for e in (".pb.h", ".pb.cc")],
        cmd = "protoc -I. --cpp_out=$(GENDIR) " +
              " ".join([native.package_name() + "/" + s for s in srcs]),
    )
    native.cc_library(
        name = name,
        srcs = [s + ".pb.cc" for s in stems],
        hdrs = [s + ".pb.h" for s in stems],
        copts = ["-Wno-unused-parameter", "-Wno-array-bounds"],
        visibility = visibility,
        deps = deps + ["//bazel/deps:protobuf"],
    )
    if grpc:
        native.genrule(
            name = name + "_grpc_gen",
            srcs = [":" + name + "_protos"],
            outs = [s + e for s in stems for e in (".grpc.pb.h", ".grpc.pb.cc")],
            cmd = "protoc -I. --grpc_out=$(GENDIR) " +
                  "--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin " +
                  " ".join([native.package_name() + "/" + s for s in srcs]),
        )
        native.cc_library(
            name = name + "_grpc",
            srcs = [s + ".grpc.pb.cc" for s in stems],
            hdrs = [s + ".grpc.pb.h" for s in stems],
            visibility = visibility,
            deps = [":" + name, "//bazel/deps:grpc"],
        )
