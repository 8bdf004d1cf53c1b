"""What goes over the wire: the requests and answers of the REST API, one file per resource.

The server's routes and ``visavis.client`` both import them, so that neither drifts.
"""
