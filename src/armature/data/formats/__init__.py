"""One module a format of labelled data; what such a module has is written in ``armature.data.recognising``."""
