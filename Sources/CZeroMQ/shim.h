// CZeroMQ: the C library's header; what Swift cannot import of it is added here, with the reason.
#pragma once
#include <zmq.h>
