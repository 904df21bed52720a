"""The calls that say which resource a VPC security group guards; a call that names no group is no attachment.

Some 340 write operations of 91 services take group ids (counted in botocore's service models). Here are
those of the services that people run; any other can be watched by a pattern of the user's own, which reads
the groups by the same search. Lambda logs event names with a version suffix, which `Watch` looks past.
"""

from __future__ import annotations

from exporter.catalog.spec import EventSpec, Kind, ResourcePath, at, rows


def _attach(event_source: str, names: str, *resources: ResourcePath) -> tuple[EventSpec, ...]:
    return rows("attachments", event_source, names, Kind.ATTACHMENT, *resources)


_EC2 = "ec2.amazonaws.com"
_ELB = "elasticloadbalancing.amazonaws.com"
_RDS = "rds.amazonaws.com"
_ECS = "ecs.amazonaws.com"
_CACHE = "elasticache.amazonaws.com"
_REDSHIFT = "redshift.amazonaws.com"
_SERVERLESS = "redshift-serverless.amazonaws.com"
_ES = "es.amazonaws.com"
_SAGEMAKER = "sagemaker.amazonaws.com"
_VPN = at("AWS::EC2::ClientVpnEndpoint", "request.clientVpnEndpointId")
_TEMPLATE = at("AWS::EC2::LaunchTemplate", "request.launchTemplateId")
_SERVICE = at("AWS::ECS::Service", "request.service")
_CLUSTER = at("AWS::ECS::Cluster", "request.cluster")
_INSTANCE = at("AWS::RDS::DBInstance", "request.dBInstanceIdentifier")
_DB_CLUSTER = at("AWS::RDS::DBCluster", "request.dBClusterIdentifier")
_PROXY = at("AWS::RDS::DBProxy", "request.dBProxyName")
_PROXY_ENDPOINT = at("AWS::RDS::DBProxyEndpoint", "request.dBProxyEndpointName")
_FUNCTION = at("AWS::Lambda::Function", "request.functionName")
_DOMAIN = at("AWS::OpenSearchService::Domain", "request.domainName")

ATTACHMENTS: tuple[EventSpec, ...] = (
    *_attach(_EC2, "RunInstances", at("AWS::EC2::Instance", "response.instancesSet.instanceId")),
    *_attach(_EC2, "ModifyInstanceAttribute AttachClassicLinkVpc", at("AWS::EC2::Instance", "request.instanceId")),
    *_attach(_EC2, "CreateNetworkInterface", at("AWS::EC2::NetworkInterface", "response.networkInterface.networkInterfaceId")),
    *_attach(_EC2, "ModifyNetworkInterfaceAttribute", at("AWS::EC2::NetworkInterface", "request.networkInterfaceId")),
    *_attach(_EC2, "CreateVpcEndpoint", at("AWS::EC2::VPCEndpoint", "response.vpcEndpoint.vpcEndpointId")),
    *_attach(_EC2, "ModifyVpcEndpoint", at("AWS::EC2::VPCEndpoint", "request.vpcEndpointId")),
    *_attach(_EC2, "ApplySecurityGroupsToClientVpnTargetNetwork ModifyClientVpnEndpoint", _VPN),
    *_attach(_EC2, "CreateClientVpnEndpoint", at("AWS::EC2::ClientVpnEndpoint", "response.clientVpnEndpointId")),
    *_attach(
        _EC2,
        "CreateInstanceConnectEndpoint",
        at("AWS::EC2::InstanceConnectEndpoint", "response.instanceConnectEndpoint.instanceConnectEndpointId"),
    ),
    *_attach(_EC2, "ModifyInstanceConnectEndpoint", at("AWS::EC2::InstanceConnectEndpoint", "request.instanceConnectEndpointId")),
    *_attach(_EC2, "CreateLaunchTemplate", at("AWS::EC2::LaunchTemplate", "response.launchTemplate.launchTemplateId")),
    *_attach(_EC2, "CreateLaunchTemplateVersion", _TEMPLATE),
    *_attach(
        _EC2,
        "CreateVerifiedAccessEndpoint",
        at("AWS::EC2::VerifiedAccessEndpoint", "response.verifiedAccessEndpoint.verifiedAccessEndpointId"),
    ),
    *_attach(_EC2, "RequestSpotInstances RequestSpotFleet RunScheduledInstances ImportInstance"),
    *_attach(_EC2, "CreateFleet", at("AWS::EC2::EC2Fleet", "response.fleetId")),
    # elb (classic) and elbv2 share the event source; only one of the two places is filled.
    *_attach(
        _ELB,
        "CreateLoadBalancer",
        at("AWS::ElasticLoadBalancingV2::LoadBalancer", "response.loadBalancers.loadBalancerArn"),
        at("AWS::ElasticLoadBalancing::LoadBalancer", "request.loadBalancerName"),
    ),
    *_attach(_ELB, "SetSecurityGroups", at("AWS::ElasticLoadBalancingV2::LoadBalancer", "request.loadBalancerArn")),
    *_attach(_ELB, "ApplySecurityGroupsToLoadBalancer", at("AWS::ElasticLoadBalancing::LoadBalancer", "request.loadBalancerName")),
    *_attach(
        _RDS,
        "CreateDBInstance ModifyDBInstance CreateDBInstanceReadReplica RestoreDBInstanceFromDBSnapshot RestoreDBInstanceFromS3",
        _INSTANCE,
    ),
    *_attach(_RDS, "RestoreDBInstanceToPointInTime", at("AWS::RDS::DBInstance", "request.targetDBInstanceIdentifier")),
    *_attach(
        _RDS,
        "CreateDBCluster ModifyDBCluster RestoreDBClusterFromSnapshot RestoreDBClusterFromS3 RestoreDBClusterToPointInTime",
        _DB_CLUSTER,
    ),
    *_attach(_RDS, "CreateDBProxy ModifyDBProxy", _PROXY),
    *_attach(_RDS, "CreateDBProxyEndpoint ModifyDBProxyEndpoint", _PROXY_ENDPOINT),
    *_attach(_RDS, "ModifyOptionGroup", at("AWS::RDS::OptionGroup", "request.optionGroupName")),
    *_attach("elasticfilesystem.amazonaws.com", "ModifyMountTargetSecurityGroups", at("AWS::EFS::MountTarget", "request.mountTargetId")),
    *_attach("elasticfilesystem.amazonaws.com", "CreateMountTarget", at("AWS::EFS::MountTarget", "response.mountTargetId")),
    *_attach("lambda.amazonaws.com", "CreateFunction UpdateFunctionConfiguration", _FUNCTION),
    *_attach(_ECS, "CreateService", at("AWS::ECS::Service", "request.serviceName"), _CLUSTER),
    *_attach(_ECS, "UpdateService CreateTaskSet", _SERVICE, _CLUSTER),
    *_attach(_ECS, "RunTask StartTask", at("AWS::ECS::TaskDefinition", "request.taskDefinition"), _CLUSTER),
    *_attach("eks.amazonaws.com", "CreateCluster UpdateClusterConfig", at("AWS::EKS::Cluster", "request.name")),
    *_attach("eks.amazonaws.com", "CreateNodegroup", at("AWS::EKS::Nodegroup", "request.nodegroupName")),
    *_attach(_CACHE, "CreateCacheCluster ModifyCacheCluster", at("AWS::ElastiCache::CacheCluster", "request.cacheClusterId")),
    *_attach(
        _CACHE, "CreateReplicationGroup ModifyReplicationGroup", at("AWS::ElastiCache::ReplicationGroup", "request.replicationGroupId")
    ),
    *_attach(_CACHE, "CreateServerlessCache ModifyServerlessCache", at("AWS::ElastiCache::ServerlessCache", "request.serverlessCacheName")),
    *_attach(
        _REDSHIFT, "CreateCluster ModifyCluster RestoreFromClusterSnapshot", at("AWS::Redshift::Cluster", "request.clusterIdentifier")
    ),
    *_attach(_REDSHIFT, "CreateEndpointAccess ModifyEndpointAccess", at("AWS::Redshift::EndpointAccess", "request.endpointName")),
    *_attach(_SERVERLESS, "CreateWorkgroup UpdateWorkgroup", at("AWS::RedshiftServerless::Workgroup", "request.workgroupName")),
    *_attach(
        _SERVERLESS, "CreateEndpointAccess UpdateEndpointAccess", at("AWS::RedshiftServerless::EndpointAccess", "request.endpointName")
    ),
    *_attach(_ES, "CreateDomain UpdateDomainConfig CreateElasticsearchDomain UpdateElasticsearchDomainConfig", _DOMAIN),
    *_attach(_ES, "CreateVpcEndpoint", at("AWS::OpenSearchService::VpcEndpoint", "response.vpcEndpoint.vpcEndpointId")),
    *_attach(_ES, "UpdateVpcEndpoint", at("AWS::OpenSearchService::VpcEndpoint", "request.vpcEndpointId")),
    *_attach("dax.amazonaws.com", "CreateCluster UpdateCluster", at("AWS::DAX::Cluster", "request.clusterName")),
    *_attach("memorydb.amazonaws.com", "CreateCluster UpdateCluster", at("AWS::MemoryDB::Cluster", "request.clusterName")),
    *_attach("mq.amazonaws.com", "CreateBroker", at("AWS::AmazonMQ::Broker", "request.brokerName")),
    *_attach("mq.amazonaws.com", "UpdateBroker", at("AWS::AmazonMQ::Broker", "request.brokerId")),
    *_attach("kafka.amazonaws.com", "CreateCluster CreateClusterV2", at("AWS::MSK::Cluster", "request.clusterName")),
    *_attach("kafka.amazonaws.com", "CreateVpcConnection", at("AWS::MSK::VpcConnection", "response.vpcConnectionArn")),
    *_attach("kafka.amazonaws.com", "CreateReplicator", at("AWS::MSK::Replicator", "request.replicatorName")),
    *_attach("elasticmapreduce.amazonaws.com", "RunJobFlow", at("AWS::EMR::Cluster", "response.jobFlowId")),
    *_attach("elasticmapreduce.amazonaws.com", "CreateStudio", at("AWS::EMR::Studio", "response.studioId")),
    *_attach("codebuild.amazonaws.com", "CreateProject UpdateProject", at("AWS::CodeBuild::Project", "request.name")),
    *_attach("codebuild.amazonaws.com", "CreateFleet", at("AWS::CodeBuild::Fleet", "request.name")),
    *_attach("codebuild.amazonaws.com", "UpdateFleet", at("AWS::CodeBuild::Fleet", "request.arn")),
    *_attach(_SAGEMAKER, "CreateNotebookInstance", at("AWS::SageMaker::NotebookInstance", "request.notebookInstanceName")),
    *_attach(_SAGEMAKER, "CreateDomain", at("AWS::SageMaker::Domain", "request.domainName")),
    *_attach(_SAGEMAKER, "UpdateDomain", at("AWS::SageMaker::Domain", "request.domainId")),
    *_attach(_SAGEMAKER, "CreateUserProfile UpdateUserProfile", at("AWS::SageMaker::UserProfile", "request.userProfileName")),
    *_attach(_SAGEMAKER, "CreateModel", at("AWS::SageMaker::Model", "request.modelName")),
    *_attach(_SAGEMAKER, "CreateEndpointConfig", at("AWS::SageMaker::EndpointConfig", "request.endpointConfigName")),
    *_attach("batch.amazonaws.com", "CreateComputeEnvironment", at("AWS::Batch::ComputeEnvironment", "request.computeEnvironmentName")),
    *_attach("batch.amazonaws.com", "UpdateComputeEnvironment", at("AWS::Batch::ComputeEnvironment", "request.computeEnvironment")),
    *_attach(
        "autoscaling.amazonaws.com",
        "CreateLaunchConfiguration",
        at("AWS::AutoScaling::LaunchConfiguration", "request.launchConfigurationName"),
    ),
    *_attach(
        "fsx.amazonaws.com", "CreateFileSystem CreateFileSystemFromBackup", at("AWS::FSx::FileSystem", "response.fileSystem.fileSystemId")
    ),
    *_attach("fsx.amazonaws.com", "CreateFileCache", at("AWS::FSx::FileCache", "response.fileCache.fileCacheId")),
    *_attach("apprunner.amazonaws.com", "CreateVpcConnector", at("AWS::AppRunner::VpcConnector", "request.vpcConnectorName")),
    *_attach("glue.amazonaws.com", "CreateConnection", at("AWS::Glue::Connection", "request.connectionInput.name")),
    *_attach("glue.amazonaws.com", "UpdateConnection", at("AWS::Glue::Connection", "request.name")),
    *_attach("glue.amazonaws.com", "CreateDevEndpoint", at("AWS::Glue::DevEndpoint", "request.endpointName")),
    *_attach(
        "dms.amazonaws.com", "CreateReplicationInstance", at("AWS::DMS::ReplicationInstance", "request.replicationInstanceIdentifier")
    ),
    *_attach("dms.amazonaws.com", "ModifyReplicationInstance", at("AWS::DMS::ReplicationInstance", "request.replicationInstanceArn")),
    *_attach("transfer.amazonaws.com", "CreateServer", at("AWS::Transfer::Server", "response.serverId")),
    *_attach("transfer.amazonaws.com", "UpdateServer", at("AWS::Transfer::Server", "request.serverId")),
    *_attach(
        "imagebuilder.amazonaws.com",
        "CreateInfrastructureConfiguration",
        at("AWS::ImageBuilder::InfrastructureConfiguration", "request.name"),
    ),
    *_attach(
        "imagebuilder.amazonaws.com",
        "UpdateInfrastructureConfiguration",
        at("AWS::ImageBuilder::InfrastructureConfiguration", "request.infrastructureConfigurationArn"),
    ),
    *_attach("airflow.amazonaws.com", "CreateEnvironment UpdateEnvironment", at("AWS::MWAA::Environment", "request.name")),
    *_attach("vpc-lattice.amazonaws.com", "CreateResourceGateway", at("AWS::VpcLattice::ResourceGateway", "request.name")),
    *_attach(
        "vpc-lattice.amazonaws.com", "UpdateResourceGateway", at("AWS::VpcLattice::ResourceGateway", "request.resourceGatewayIdentifier")
    ),
    *_attach(
        "vpc-lattice.amazonaws.com",
        "CreateServiceNetworkVpcAssociation",
        at("AWS::VpcLattice::ServiceNetworkVpcAssociation", "response.id"),
    ),
    *_attach(
        "vpc-lattice.amazonaws.com",
        "UpdateServiceNetworkVpcAssociation",
        at("AWS::VpcLattice::ServiceNetworkVpcAssociation", "request.serviceNetworkVpcAssociationIdentifier"),
    ),
)
