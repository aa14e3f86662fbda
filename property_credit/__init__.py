"""Credit evaluation of residential property-service enterprises (物业服务企业信用评价): one package a room."""
