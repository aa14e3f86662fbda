"""ingestion/feeds"""
